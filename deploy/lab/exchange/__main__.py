"""`python -m deploy.lab.exchange`: the same as `mailshadow lab exchange`."""

from deploy.lab.exchange.command import exchange

if __name__ == "__main__":
    exchange(prog_name="python -m deploy.lab.exchange")
