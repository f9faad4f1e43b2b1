"""A mail server (aiosmtpd) and a raw mail client for the specs of the gateway to mail.

Usage: mail-peer.py PORT. Reads commands as lines of JSON, writes what it saw as lines of JSON. The local part of a
recipient says what the server does with a mail: nobody (550), busy (450), drop (closes without an answer to the content).
"""
import json
import socket
import sys
import threading

from aiosmtpd.controller import Controller

lock = threading.Lock()


def say(**event):
    with lock:
        print(json.dumps(event), flush=True)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user here"
        if address.startswith("busy@"):
            return "450 4.2.1 mailbox is busy"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if any(to.startswith("drop@") for to in envelope.rcpt_tos):
            server.transport.abort()
            return "250 OK"
        data = envelope.content.decode("latin-1")
        say(event="mail", sender=envelope.mail_from or "", to=",".join(envelope.rcpt_tos), data=data)
        return "250 OK"


def reply(stream):
    lines = []
    while True:
        line = stream.readline().decode("latin-1")
        if line == "":
            raise EOFError("closed")
        lines.append(line.rstrip("\r\n"))
        if line[3:4] != "-":
            return " ".join(lines)


def send(command):
    """One transaction; the replies after the greeting, or after what was refused."""
    replies = []
    with socket.create_connection(("127.0.0.1", command["port"]), timeout=60) as connection:
        stream = connection.makefile("rb")

        def ask(line):
            connection.sendall(line.encode("latin-1") + b"\r\n")
            replies.append(reply(stream))
            return replies[-1]

        replies.append(reply(stream))
        ask(("LHLO" if command["lmtp"] else "EHLO") + " mail.slate.example")
        replies.clear()
        ask("MAIL FROM:<%s>" % command["from"])
        taken = sum(ask("RCPT TO:<%s>" % to).startswith("250") for to in command["to"])
        if taken > 0 and ask("DATA").startswith("354"):
            replies.pop()
            data = command["data"].encode("latin-1")
            connection.sendall(b"\r\n".join(b"." + l if l.startswith(b".") else l for l in data.split(b"\r\n")))
            connection.sendall(b"\r\n.\r\n")
            for _ in range(taken if command["lmtp"] else 1):
                replies.append(reply(stream))
    return replies


def run(command):
    try:
        if command["do"] == "raw":
            with socket.create_connection(("127.0.0.1", command["port"]), timeout=60) as connection:
                connection.sendall(command["octets"].encode("latin-1"))
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass
            say(event="sent", id=command["id"], replies="")
        else:
            say(event="sent", id=command["id"], replies="\n".join(send(command)))
    except (OSError, EOFError) as error:
        say(event="sent", id=command["id"], replies="%s: %s" % (type(error).__name__, error))


controller = Controller(Handler(), hostname="127.0.0.1", port=int(sys.argv[1]))
controller.start()
say(event="ready")
for line in sys.stdin:
    threading.Thread(target=run, args=(json.loads(line),), daemon=True).start()
controller.stop()
