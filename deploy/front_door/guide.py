"""Whom Autodiscover leads where: routes over what the settings say; pure but for the file of the routes."""

from urllib.parse import urlsplit

from deploy.front_door.autodiscover_answers import Lead
from deploy.front_door.routes import Routes
from deploy.front_door.sections import AutodiscoverSection
from deploy.sections import ServerSection, Settings


class Guide:
    """Where every address is led; one that nobody led away is at the server it belongs to, or at the source."""

    def __init__(self, settings: Settings, section: AutodiscoverSection) -> None:
        self._section = section
        self._source = settings.source.name
        self._servers: dict[str, ServerSection] = {settings.source.name: settings.source, **settings.targets}
        self._homes = {
            address.lower(): target for mailbox in settings.mailboxes for target, address in mailbox.targets.items()
        }
        self._first_names = {
            other.lower(): address.lower()
            for address, others in settings.front_door.other_names.items()
            for other in others
        }
        sources = {m.source.lower() for m in settings.mailboxes}
        self._homes = {a: t for a, t in self._homes.items() if a not in sources}

    def lead(self, routes: Routes, asked: str) -> Lead | None:
        """Return where an address is led, None while its mailbox is closed."""
        address = self._first_names.get(asked.lower(), asked.lower())
        route = routes.of(address)
        if route is not None and route.is_closed:
            return None
        server = route.server if route else self._homes.get(address, self._source)
        if server not in self._servers:
            return None
        live = route.address if route else asked
        by_address = self._section.redirects_by_address and live.lower() != asked.lower()
        return Lead(
            address=live,
            redirect_address=live if by_address else "",
            redirect_url=self.url_of(server),
            ews_url=self.ews_url_of(server),
            version=self._servers[server].version,
        )

    def url_of(self, server: str) -> str:
        """Return where the Autodiscover of a server itself is, with a slash at the end."""
        url = self._section.urls.get(server) or f"https://{urlsplit(self._servers[server].url).netloc}/autodiscover/"
        return f"{url.rstrip('/')}/"

    def ews_url_of(self, server: str) -> str:
        """Return the EWS address that clients use of a server."""
        return self._section.ews_urls.get(server) or self._servers[server].url
