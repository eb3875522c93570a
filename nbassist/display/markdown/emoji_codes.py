"""Emoji that are written as codes, such as `:rocket:`: the names of Unicode, and those that chats have for the common.

A code stands apart from words and other colons, so that `a:b:c`, a time of day and a Python slice stay what they are.
"""

from __future__ import annotations

import functools
import re
import unicodedata

from markdown_it.rules_core import StateCore

_CODE = re.compile(r"(?<![\w:]):([a-z0-9_+-]{1,40}):(?![\w:])")
# Where Unicode's own name is another one.
_ALIASES = """
+1 👍  thumbsup 👍  -1 👎  thumbsdown 👎  clap 👏  wave 👋  pray 🙏  muscle 💪  ok_hand 👌  point_right 👉
point_left 👈  point_up ☝️  point_down 👇  raised_hands 🙌  eyes 👀  handshake 🤝  writing_hand ✍️  v ✌️
smile 😄  smiley 😃  grin 😁  grinning 😀  joy 😂  rofl 🤣  wink 😉  blush 😊  sweat_smile 😅  laughing 😆
heart_eyes 😍  sunglasses 😎  thinking 🤔  thinking_face 🤔  neutral_face 😐  confused 😕  cry 😢  sob 😭
angry 😠  scream 😱  sleeping 😴  partying_face 🥳  upside_down_face 🙃  shrug 🤷  facepalm 🤦
heart ❤️  broken_heart 💔  star ⭐  star2 🌟  sparkles ✨  fire 🔥  zap ⚡  boom 💥  tada 🎉  rocket 🚀  100 💯
white_check_mark ✅  heavy_check_mark ✔️  check ✔️  ballot_box_with_check ☑️  x ❌  negative_squared_cross_mark ❎
warning ⚠️  no_entry ⛔  no_entry_sign 🚫  stop_sign 🛑  rotating_light 🚨  exclamation ❗  question ❓  bangbang ‼️
information_source ℹ️  bulb 💡  memo 📝  pencil ✏️  pencil2 ✏️  book 📖  books 📚  bookmark 🔖  pushpin 📌
paperclip 📎  link 🔗  lock 🔒  unlock 🔓  key 🔑  mag 🔍  mag_right 🔎  gear ⚙️  wrench 🔧  hammer 🔨
hammer_and_wrench 🛠️  toolbox 🧰  bug 🐛  package 📦  computer 💻  iphone 📱  email 📧  envelope ✉️  phone ☎️
calendar 📅  date 📅  hourglass ⌛  alarm_clock ⏰  stopwatch ⏱️  clock ⏰  chart_with_upwards_trend 📈
chart_with_downwards_trend 📉  bar_chart 📊  clipboard 📋  file_folder 📁  open_file_folder 📂  wastebasket 🗑️
arrow_right ➡️  arrow_left ⬅️  arrow_up ⬆️  arrow_down ⬇️  recycle ♻️  arrows_counterclockwise 🔄  repeat 🔁
red_circle 🔴  green_circle 🟢  yellow_circle 🟡  orange_circle 🟠  blue_circle 🔵  white_circle ⚪  black_circle ⚫
sunny ☀️  cloud ☁️  snowflake ❄️  earth_africa 🌍  earth_americas 🌎  earth_asia 🌏  coffee ☕  beer 🍺  pizza 🍕
dog 🐶  cat 🐱  snake 🐍  robot 🤖  ghost 👻  gift 🎁  trophy 🏆  medal 🏅  dart 🎯  moneybag 💰  credit_card 💳
"""
_WORDS = _ALIASES.split()
_KNOWN = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))


def emoji_codes(state: StateCore) -> None:
    """Put emoji in the place of their codes; a rule of the parser's core, so code and addresses are left alone."""
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "text" and ":" in child.content and "://" not in child.content:
                child.content = _CODE.sub(_emoji, child.content)


def _emoji(match: re.Match[str]) -> str:
    return _of_name(match[1]) or match[0]


@functools.lru_cache(maxsize=512)
def _of_name(name: str) -> str:
    """Return the emoji of a name; empty where there is none."""
    if name in _KNOWN:
        return _KNOWN[name]
    try:
        found = unicodedata.lookup(name.replace("_", " "))
    except KeyError:
        return ""
    # Pictures alone: Unicode has names for letters, signs and marks of all scripts, too.
    return found if len(found) == 1 and (ord(found) >= 0x1F300 or 0x2600 <= ord(found) < 0x27C0) else ""
