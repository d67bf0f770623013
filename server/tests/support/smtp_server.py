"""An SMTP server for tests: aiosmtpd, which prints each message that it takes as a line of JSON.

Its one argument is JSON: port, tls ("none", "starttls" or "implicit"), certificate and key (PEM files), username and password
(null if nobody has to sign in), refuse (how many messages are refused before the first is taken). It ends with its input.
"""

import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    def __init__(self, refuse):
        self.refuse = refuse

    async def handle_DATA(self, server, session, envelope):
        if self.refuse > 0:
            self.refuse -= 1
            return "451 Try again later"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(
            json.dumps(
                {
                    "to": envelope.rcpt_tos,
                    "from": envelope.mail_from,
                    "encrypted": server.transport.get_extra_info("ssl_object") is not None,
                    "signed_in": bool(session.authenticated),
                    "headers": {name.lower(): str(value) for name, value in message.items()},
                    "text": message.get_content().replace("\r\n", "\n"),
                }
            ),
            flush=True,
        )
        return "250 Taken"


def main():
    asked = json.loads(sys.argv[1])
    context = None
    if asked["tls"] != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked["certificate"], asked["key"])

    def authenticate(server, session, envelope, mechanism, data):
        right = (data.login.decode(), data.password.decode()) == (asked["username"], asked["password"])
        return AuthResult(success=right, handled=False)

    controller = Controller(
        Handler(asked["refuse"]),
        hostname="127.0.0.1",
        port=asked["port"],
        ssl_context=context if asked["tls"] == "implicit" else None,
        tls_context=context if asked["tls"] == "starttls" else None,
        require_starttls=asked["tls"] == "starttls",
        authenticator=authenticate,
        auth_required=asked["username"] is not None,
        # With TLS from the first byte there is no STARTTLS that it could wait for.
        auth_require_tls=asked["tls"] == "starttls",
    )
    controller.start()
    print(json.dumps({"ready": True}), flush=True)
    sys.stdin.read()
    controller.stop()


main()
