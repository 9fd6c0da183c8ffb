# Fence of the source: protocols of the mailboxes off while they are promoted. Run in the Exchange Management Shell.
# [[front_door.commands]] kind = "source-fence", command = ["pwsh", "-File", "source-fence.ps1"]
$ErrorActionPreference = "Stop"
$call = [Console]::In.ReadToEnd() | ConvertFrom-Json
$on = $call.step -eq "undo"
# a source that is lost may answer nothing: what can be fenced in the directory is, and nothing of it stops the promotion
if ($call.source_lost) { $ErrorActionPreference = "Continue" }
foreach ($mailbox in $call.mailboxes) {
    $name = $mailbox.from.address
    switch ($call.step) {
        "check" { Get-CASMailbox -Identity $name | Out-Null }
        { $_ -in "close", "undo" } {
            # EWS stays on for mailshadow's own account: it reads the tail after the close
            Set-CASMailbox -Identity $name -OWAEnabled $on -ActiveSyncEnabled $on -MAPIEnabled $on -ImapEnabled $on -PopEnabled $on
            Set-CASMailbox -Identity $name -EwsApplicationAccessPolicy EnforceAllowList -EwsAllowList @{ Add = "mailshadow*" }
            if ($on) { Set-CASMailbox -Identity $name -EwsApplicationAccessPolicy $null }
        }
        "confirm" { if ((Get-CASMailbox -Identity $name).MAPIEnabled) { Write-Output "still open"; if (-not $call.source_lost) { exit 1 } } }
    }
}
exit 0
