# Addresses follow the mailbox: the target gets the address and the source's legacyExchangeDN as X500, so that replies
# to old mail arrive. [[front_door.commands]] kind = "directory", command = ["pwsh", "-File", "directory.ps1"]
# In one organisation two recipients can't share an address: it is taken from the source first.
$ErrorActionPreference = "Stop"
$call = [Console]::In.ReadToEnd() | ConvertFrom-Json
foreach ($mailbox in $call.mailboxes) {
    $address = "smtp:" + $mailbox.address
    $legacy = "X500:" + (Get-Mailbox -Identity $mailbox.from.address).LegacyExchangeDN
    switch ($call.step) {
        "check" { Get-Mailbox -Identity $mailbox.to.address | Out-Null }
        "redirect" {
            Set-Mailbox -Identity $mailbox.from.address -EmailAddresses @{ Remove = $address } -HiddenFromAddressListsEnabled $true
            Set-Mailbox -Identity $mailbox.to.address -EmailAddresses @{ Add = $address, $legacy } -HiddenFromAddressListsEnabled $false
        }
        "undo" {
            Set-Mailbox -Identity $mailbox.to.address -EmailAddresses @{ Remove = $address, $legacy } -HiddenFromAddressListsEnabled $true
            Set-Mailbox -Identity $mailbox.from.address -EmailAddresses @{ Add = $address } -HiddenFromAddressListsEnabled $false
        }
        "confirm" {
            $found = (Get-Mailbox -Identity $mailbox.to.address).EmailAddresses -contains $address
            if (-not $found) { Write-Output "address is not at the target"; exit 1 }
        }
    }
}
exit 0
