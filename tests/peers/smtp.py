"""SMTP server that stores mails. Arguments: port, mode (starttls, tls or plain), certificate, key, directory.

The user name is "hexabase", the password "s3cr3t"; without TLS no authentication is required. The mailbox of a recipient
determines the response: "unknown" is rejected for good, "busy" for now, and "later" for now the first time that a mail
is sent to it. The sender "forbidden" is rejected for good.
"""

import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

port, mode, certificate, key, directory = sys.argv[1:]
directory = pathlib.Path(directory)


def store(kind, session, envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = lambda kind: message.get_body((kind,)).get_content().replace("\r\n", "\n")
    mail = {
        "from": envelope.mail_from,
        "to": envelope.rcpt_tos,
        "user": session.auth_data,
        "tls": mode == "tls" or session.ssl is not None,
        "hello": session.host_name,
        "headers": {name: str(value) for name, value in message.items()},
        "text": body("plain"),
        "html": body("html"),
        "raw": envelope.content.decode("ascii"),
    }
    number = len(list(directory.glob(f"{kind}-*.json")))
    temporary = directory / "temporary"
    temporary.write_text(json.dumps(mail))
    temporary.rename(directory / f"{kind}-{number:04}.json")
    return number


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("forbidden@"):
            return "553 5.7.1 Sender address rejected: not owned by user"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        with open(directory / "recipients", "a") as recipients:
            print(address, file=recipients)
        if address.startswith("unknown@"):
            return f"550 5.1.1 <{address}> has no mailbox here"
        if address.startswith("busy@"):
            return "451 4.7.1 Greylisted, try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("later@") and not list(directory.glob("rejected-*.json")):
            store("rejected", session, envelope)
            return "452 4.3.1 Insufficient system storage"
        store("mail", session, envelope)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    ok = isinstance(data, LoginPassword) and (data.login, data.password) == (b"hexabase", b"s3cr3t")
    # A failed authentication gets a response of the server.
    return AuthResult(success=ok, handled=False, auth_data=data.login.decode() if ok else None)


async def main():
    context = None
    if mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    starttls = mode == "starttls"
    protocol = lambda: SMTP(
        Handler(),
        hostname="mail.example",
        tls_context=context if starttls else None,
        require_starttls=starttls,
        authenticator=authenticate,
        auth_required=mode != "plain",
        auth_require_tls=starttls,
        loop=asyncio.get_running_loop(),
    )
    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", int(port), ssl=context if mode == "tls" else None
    )
    await server.serve_forever()


asyncio.run(main())
