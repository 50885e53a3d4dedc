"""One mail to one server, with what the standard library has for it."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from ipaddress import ip_address

from entrepot.core.configuration import Address
from entrepot.core.configuration.model_log import MailOptions

_SECONDS = 10.0  # that each step of a delivery may take
_IMPLICIT_TLS = 465  # RFC 8314


def deliver(mail: EmailMessage, options: MailOptions) -> None:
    """Hand a mail to the configured server.

    It is encrypted where the server offers that, and its certificate is verified; with
    `insecure` it is sent as it is. A password is never sent unencrypted to another machine
    unless `insecure` says so.

    Raises OSError (smtplib.SMTPException is one): if the server does not take it.
    """
    smtp = options.smtp
    address = Address.parse(smtp.addr)
    with _connected(address) as client:
        encrypted = address.port == _IMPLICIT_TLS
        client.ehlo()
        if not encrypted and not smtp.insecure and client.has_extn("starttls"):
            client.starttls(context=ssl.create_default_context())
            client.ehlo()
            encrypted = True
        if smtp.username:
            if not (encrypted or smtp.insecure or _is_here(address.host)):
                raise smtplib.SMTPException(
                    "it offers no encryption for the password; `options.smtp.insecure: true` "
                    "sends it without"
                )
            client.login(smtp.username, smtp.password)
        client.send_message(mail, options.from_, list(options.to))


def _connected(address: Address) -> smtplib.SMTP:
    if address.port == _IMPLICIT_TLS:
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(address.host, address.port, timeout=_SECONDS, context=context)
    return smtplib.SMTP(address.host, address.port, timeout=_SECONDS)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
