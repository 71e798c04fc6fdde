"""A mail server on loopback that speaks as much SMTP as a client needs, and keeps what it takes."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class MailServer:
    """What was delivered, in order; `refuses` answers the next recipients with 450, "try again later"."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refuses: bool = False

    def url(self, to: str) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=forewarn@plant.example&to={to}&mode=insecure"


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    taken = MailServer()

    class Conversation(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 plant.example")
            while line := self.rfile.readline():
                word = line.split(None, 1)[0].upper() if line.strip() else b""
                if word == b"DATA":
                    self.say("354 go on")
                    content = b"".join(iter(self.rfile.readline, b".\r\n"))
                    mail = message_from_bytes(content, policy=policy.default)
                    assert isinstance(mail, EmailMessage)
                    taken.mails.append(mail)
                    self.say("250 taken")
                elif word == b"RCPT" and taken.refuses:
                    self.say("450 later")
                elif word == b"QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 plant.example")

        def say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Conversation)
    server.daemon_threads = True
    taken.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        server.shutdown()
        server.server_close()
