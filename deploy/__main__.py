"""`python -m deploy` is `mailshadow`."""

from deploy.cli import main

main()
