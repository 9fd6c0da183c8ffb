# New mail follows the mailbox, for a target in another organisation: the source forwards what still arrives there.
# [[front_door.commands]] kind = "mail-flow", command = ["pwsh", "-File", "mail-flow.ps1"]
$ErrorActionPreference = "Stop"
$call = [Console]::In.ReadToEnd() | ConvertFrom-Json
foreach ($mailbox in $call.mailboxes) {
    switch ($call.step) {
        "check" { Get-Mailbox -Identity $mailbox.from.address | Out-Null }
        "redirect" {
            Set-Mailbox -Identity $mailbox.from.address -ForwardingSmtpAddress $mailbox.to.address -DeliverToMailboxAndForward $false
        }
        "undo" { Set-Mailbox -Identity $mailbox.from.address -ForwardingSmtpAddress $null }
        "confirm" {
            $found = (Get-Mailbox -Identity $mailbox.from.address).ForwardingSmtpAddress
            if ($found -ne "smtp:" + $mailbox.to.address) { Write-Output "not forwarded"; exit 1 }
        }
    }
}
exit 0
