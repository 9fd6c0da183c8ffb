"""Why a wave does not go on, where that is nobody's fault: somebody has to decide."""


class NotReadyError(Exception):
    """Mailboxes are not ready, strays were found or losses are not accepted; the text lists them. Nothing changed."""
