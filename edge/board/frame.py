"""What the board's pages have in common: head, who is signed in, the dialog for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from edge.board.words import word
from edge.status.words import Language

_PLACEHOLDER = "{}"
Say = Callable[..., str]
"""A word by its key, with what is put in; escaped."""


def saying(language: Language) -> Say:
    """The words of a language."""

    def say(key: str, detail: object = None) -> str:
        text = word(key, language)
        return escape(text if detail is None else text.replace(_PLACEHOLDER, str(detail)))

    return say


def document(
    title: str,
    language: Language,
    *,
    kind: str,
    data: Mapping[str, str],
    heading: str,
    beside: str = "",
    name: str | None,
    inside: str,
) -> str:
    """A page. `kind` names its style and script beside those that all have, `data` is what its
    script is told; `heading` and `beside` stand in the header, before and behind the `name` of the
    person who is signed in."""
    say = saying(language)
    other, other_name = ("zh", "中文") if language == "en" else ("en", "English")
    who = (
        f"<b>{escape(name)}</b>"
        f'<form method="post" action="/sign-out"><button class="quiet">{say("sign_out")}</button>'
        "</form>"
        if name
        else f'<button class="quiet" data-dialog="sign-in">{say("sign_in")}</button>'
    )
    told = {**data, "lang": language, "signed": str(int(bool(name)))}
    attributes = "".join(f' data-{key}="{escape(value)}"' for key, value in told.items())
    styles = "".join(
        f'<link rel="stylesheet" href="/{style}.css">' for style in dict.fromkeys(("board", kind))
    )
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} · {say("title")}</title><link rel="icon" href="data:,">{styles}'
        f'<script src="/shared.js" defer></script><script src="/{kind}.js" defer></script></head>'
        f'<body class="{kind}"{attributes}><header>{heading}<span class="who">{who}'
        f'<a href="?lang={other}">{other_name}</a></span>{beside}</header>{inside}'
        '<div id="toast" role="status" hidden></div></body></html>'
    )


def dialogs(shown: Sequence[tuple[str, str, str, str]], say: Say) -> str:
    """Dialogs by id, verb, key of the title, and what stands inside."""
    return "".join(
        f'<dialog id="{key}"><form data-verb="{verb}"><h2>{say(title)}<b></b></h2>{inside}'
        f'<button type="button" class="quiet" data-close>{say("back")}</button></form></dialog>'
        for key, verb, title, inside in shown
    )


def sign_in_dialog(say: Say, *, pin: bool) -> tuple[str, str, str, str]:
    """The dialog in which a person gives a name, and the PIN where there is one."""
    pin_field = (
        f'<input name="pin" type="password" required maxlength="64" placeholder="{say("pin")}">'
        if pin
        else ""
    )
    name = f'<input name="name" required maxlength="64" placeholder="{say("name")}">'
    send = f'<button class="good">{say("send")}</button>'
    return ("sign-in", "sign-in", "sign_in_title", name + pin_field + send)
