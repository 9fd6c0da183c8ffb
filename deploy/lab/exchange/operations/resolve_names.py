"""ResolveNames: names and addresses looked up among the mailboxes of this server.

Versions: all. Behaviour: substring match on the address; none answers ErrorNameResolutionNoResults, several the warning
ErrorNameResolutionMultipleResults. Skipped: contacts folders, directory data beyond name and address.
"""

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import EwsError, M, element, failed, response, succeeded


def answer(call: Call) -> str:
    """Answer one ResolveNames request."""
    call.parts_count += 1
    text = (call.request.findtext(f"{M}UnresolvedEntry") or "").strip().lower().removeprefix("smtp:")
    found = [address for address in call.server.folders.mailboxes if text and text in address][:100]
    if not found:
        error = EwsError("ErrorNameResolutionNoResults", "No results were found.")
        return response(call.operation, [failed(call.operation, error)])
    resolutions = "".join(_resolution(address) for address in found)
    inner = (
        f'<m:ResolutionSet TotalItemsInView="{len(found)}" IncludesLastItemInRange="true">'
        f"{resolutions}</m:ResolutionSet>"
    )
    if len(found) == 1:
        return response(call.operation, [succeeded(call.operation, inner)])
    warning = failed(
        call.operation, EwsError("ErrorNameResolutionMultipleResults", "Several results were found."), inner
    )
    return response(call.operation, [warning.replace('ResponseClass="Error"', 'ResponseClass="Warning"', 1)])


def _resolution(address: str) -> str:
    inner = element("Name", address.partition("@")[0]) + element("EmailAddress", address)
    inner += element("RoutingType", "SMTP") + element("MailboxType", "Mailbox")
    return f"<t:Resolution><t:Mailbox>{inner}</t:Mailbox></t:Resolution>"
