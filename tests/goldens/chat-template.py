"""Makes chat-template.json: `pip install transformers==5.24.0 jinja2==3.1.6`, then
`python3 tests/goldens/chat-template.py`.

`chats`: the templates in chat-templates/, which were written after published ones and use what those use, each with all
conversations below: the text by transformers, or null where it raises an error. `snippets`: random templates by a seed,
each with its text by the same environment of Jinja2, or null.
"""

import datetime
import json
import pathlib
import random
import re

import transformers.utils.chat_template_utils as utils

here = pathlib.Path(__file__).parent


class FixedDate(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 12, 3, 23, 59, 7)


utils.datetime = FixedDate


def say(role, content=None, **more):
    return {"role": role, "content": content, **more}


def call(index, arguments):
    return {"id": f"call{index:05d}", "type": "function", "function": {"name": "weather", "arguments": arguments}}


tools = [
    {"type": "function", "function": {
        "name": "weather", "description": "The weather of a town.\nBy \"hour\"", "parameters": {
            "type": "object", "required": ["town"], "properties": {
                "town": {"type": "string", "description": "Its name, e.g. Zürich"},
                "unit": {"type": "string", "enum": ["c", "f"]},
                "at": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": ["number", "null"]}}}},
            }}}},
    {"type": "function", "function": {"name": "now", "description": "<Time> & day", "parameters": {
        "type": "object", "properties": {}}}},
]
answer = say("tool", '{"degrees": 3}', name="weather", tool_call_id="call00001")
parts = lambda *texts: [{"type": "text", "text": text} for text in texts]
conversations = {
    "one": [say("user", "Hi <b> & \"you\"'s ")],
    "system": [say("system", "  Be brief.\n"), say("user", "Hi\n"), say("assistant", " Yo "), say("user", "Bye 🙂 é")],
    "turns": [say("user", "1"), say("assistant", "<think>\nhm\n</think>\n\n2"), say("user", "3"), say("assistant", "4")],
    "with tools": [say("system", "S"), say("user", "Weather?")],
    "tool call": [
        say("user", "Weather?"),
        say("assistant", tool_calls=[call(1, {"town": "Bern", "n": 2, "u": None, "ok": True, "f": 1.5, "l": [1, "é"]})]),
        answer, say("assistant", "3 degrees"), say("user", "Thanks"),
    ],
    "two tool calls": [
        say("system", "S"), say("user", "Weather?"),
        say("assistant", "Let me see", tool_calls=[call(1, {"town": "A"}), call(2, '{"town": "B"}')]), answer, answer,
    ],
    "parts": [say("user", parts("a", " b")), say("assistant", parts("c")), say("user", parts("d"))],
    "names": [say("user", "Hi", name="Ann"), say("assistant", "Yo", name="Bot"), say("user", "Bye", name="Ann")],
    "reasoning": [say("user", "1"), say("assistant", "2", reasoning_content="why"), say("user", "3"),
                  say("assistant", "4", reasoning="so")],
    "late system": [say("user", "1"), say("system", "late"), say("developer", "d"), say("assistant", "x")],
}
with_tools = {"with tools", "tool call", "two tool calls"}
special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def render_chat(template, name, add_generation_prompt):
    messages = utils._normalize_chat_messages(conversations[name])
    try:
        return utils.render_jinja_template(
            [messages], tools=tools if name in with_tools else None, chat_template=template,
            add_generation_prompt=add_generation_prompt, **special)[0][0]
    except Exception:
        return None


templates = {path.stem: path.read_text() for path in sorted((here / "chat-templates").glob("*.jinja"))}
chats = [
    [template, name, is_open, render_chat(templates[template], name, is_open)]
    for template in templates for name in conversations for is_open in (True, False)
]

# Random templates: values, what is done with them, and the statements around.
dice = random.Random(7)
one = dice.choice
TEXTS = ["''", "'a'", "'Hello World'", "'  pad\\t '", "'a,b,,c'", "'x🙂y é'", "'123'", "'-4.5'", "'it\\'s \"q\"'",
         "'l1\\nl2\\r\\nl3\\n'", "'<b>&\"'", "'ß Straße'", "'foo.bar_baz-qux quux'", "'aXbXc'", "'\\x00\\u2028\\t'"]
NUMBERS = ["0", "1", "2", "3", "-1", "5", "7", "10", "255", "12345678901234567890", "1.0", "0.5", "-2.5", "3.14159",
           "1e16", "1e-5", "2.675", "true", "false", "123456.789", "-0.0", "1_000", "0x1f", "0.05"]
LISTS = ["[]", "[1,2,3]", "['b','a','C']", "[3,1.5,true,2]", "[[1,2],[3]]", "[{'a':1,'b':'x'},{'a':2},{'a':1,'b':'y'}]",
         "range(5)", "range(2,10,3)", "(1,'a')", "()", "(1,)", "[none,1]", "['x','X','y']", "[[2,'b'],[1,'c'],[1,'a']]"]
DICTS = ["{}", "{'a':1}", "{'b':2,'a':1,'C':3}", "{'k':[1,{'z':none}],'t':'é\"<'}", "{1:'x',2.5:true,none:0}",
         "{'items':5,'x':1}", "{'a':{'b':{'c':9}}}", "dict(a=1,b='2')"]
OTHERS = ["none", "nowhere", "d.missing", "namespace(a=1)", "{'a':1}.items()", "{'a':1,'b':2}.keys()", "m"]
ALL = TEXTS * 3 + NUMBERS * 2 + LISTS * 2 + DICTS * 2 + OTHERS
METHODS = {
    "upper": 0, "lower": 0, "title": 0, "capitalize": 0, "swapcase": 0, "strip": 1, "lstrip": 1, "rstrip": 1,
    "split": 2, "rsplit": 2, "splitlines": 0, "startswith": 1, "endswith": 1, "replace": 3, "find": 3, "rfind": 3,
    "count": 1, "join": 1, "zfill": 1, "ljust": 2, "rjust": 1, "center": 2, "removeprefix": 1, "removesuffix": 1,
    "partition": 1, "rpartition": 1, "isdigit": 0, "isalpha": 0, "isalnum": 0, "isspace": 0, "isupper": 0, "islower": 0,
    "istitle": 0, "expandtabs": 1, "get": 2, "keys": 0, "items": 0, "append": 1, "update": 1, "__class__": 0,
}
FILTERS = {
    "upper": TEXTS, "lower": TEXTS, "title": TEXTS, "capitalize": TEXTS, "trim": TEXTS, "trim('a')": TEXTS,
    "length": ALL, "list": ALL, "first": LISTS, "last": LISTS, "join": LISTS, "join('-', attribute='a')": LISTS,
    "reverse | list": LISTS, "sort": LISTS, "sort(reverse=true, case_sensitive=true)": LISTS, "sort(attribute='a')": LISTS,
    "unique | list": LISTS, "tojson": ALL, "tojson(indent=2, sort_keys=true)": DICTS, "tojson(ensure_ascii=true)": TEXTS,
    "tojson(separators=(',', ':'))": DICTS, "string": ALL, "int": ALL, "float(0.5)": ALL, "abs": NUMBERS,
    "round": NUMBERS, "round(2)": NUMBERS, "round(1, 'floor')": NUMBERS, "default('x')": ALL, "default('x', true)": ALL,
    "replace('a', 'bb', 1)": ALL, "indent(2, true)": TEXTS, "wordcount": TEXTS, "min": LISTS, "max": LISTS, "sum": LISTS,
    "sum(attribute='a', start=5)": LISTS, "map(attribute='a') | list": LISTS, "map('upper') | list": LISTS,
    "batch(2, 0) | list": LISTS, "slice(2) | list": LISTS, "dictsort": DICTS, "dictsort(by='value')": DICTS,
    "groupby('a', default=0)": LISTS, "selectattr('a') | list": LISTS, "selectattr('a', 'gt', 1) | list": LISTS,
    "rejectattr('b', 'defined') | list": LISTS, "select('string') | list": LISTS, "reject('odd') | list": LISTS,
    "items | list": DICTS, "escape": TEXTS, "safe": TEXTS, "center(9)": TEXTS, "truncate(8)": TEXTS, "attr('a')": ALL,
}
TESTS = ["defined", "undefined", "none", "boolean", "true", "false", "integer", "float", "number", "string", "mapping",
         "iterable", "sequence", "callable", "lower", "upper", "odd", "even", "divisibleby(3)", "sameas none",
         "in [1, 'a', none]", "eq 1", "equalto('a')", "gt 1", "lt(2)", "ne 'a'", "ge 1", "le 2", "in 'abc'"]
FORMATS = ["'%r' % {}", "'%5.2f' % {}", "'%05d' % {}", "'%-6s|' % {}", "'%x' % {}", "'%e' % {}", "'%g' % {}", "'%.3s' % {}",
           "'{{:>8}}'.format({})", "'{{:08.3f}}'.format({})", "'{{:,}}'.format({})", "'{{!r}}'.format({})",
           "'{{:.2%}}'.format({})", "'{{:*^9}}'.format({})", "'{{0}}{{0}}'.format({})", "'{{:g}}'.format({})"]
BOUNDS = ["0", "1", "2", "-1", "-2", ":1", "2:", ":-1", "::2", "::-1", "1:-1", "-1:0:-2", "8", "8:"]


def value(depth=0):
    return one(ALL) if depth > 1 or dice.random() < 0.5 else expression(depth + 1)


def argument():
    return one(TEXTS + ["0", "1", "3", "-1", "' '", "','", "'a'", "'l'", "none", "('a', 'H')"])


def expression(depth=0):
    kind = dice.randrange(12)
    operator = one(["+", "-", "*", "/", "//", "%", "**", "~"])
    if kind < 2:
        name = one(list(METHODS))
        arguments = ", ".join(argument() for _ in range(dice.randint(min(METHODS[name], 1), METHODS[name])))
        return f"({one(DICTS if name in ('get', 'keys', 'items', 'update') else TEXTS)}).{name}({arguments})"
    if kind < 5:
        name = one(list(FILTERS))
        return f"(({one(FILTERS[name]) if dice.random() < 0.8 else value(depth)}) | {name})"
    if kind == 5:
        return f"({value(depth)} is {one(['', 'not '])}{one(TESTS)})"
    if kind == 6:
        return f"({one(NUMBERS)} {operator} {one(NUMBERS)})" if operator != "**" else f"({one(['2', '-3', '0.5'])} ** {one(['3', '-2', '0'])})"
    if kind == 7:
        return f"({value(depth)} {one(['<', '<=', '==', '!=', 'in', 'not in', 'and', 'or', '~', '+'])} {value(depth)})"
    if kind == 8:
        return f"({one(TEXTS + LISTS)})[{one(BOUNDS)}]"
    if kind == 9:
        return f"({one(DICTS + LISTS)}){one(['.a', '.b', '.items', '.x', '.0', '[1]', '[' + one(TEXTS) + ']'])}"
    if kind == 10:
        return f"({value(depth)} if {value(depth)}{one(['', ' else ' + value(depth)])})"
    return "(" + one(FORMATS).format(one(NUMBERS + TEXTS)) + ")"


def tag(text):
    return "{%" + one(["", "", "-", "+"]) + f" {text} " + one(["", "", "-", "+"]) + "%}"


def shown(text):
    return "{{" + one(["", "", "-"]) + f" {text} " + one(["", "", "-"]) + "}}"


def body(depth):
    gap = lambda: one(["", "\n", " ", "\n  ", "x", "  \n\n ", "\t", "a b\n"])
    return "".join(gap() + statement(depth + 1) for _ in range(dice.randint(1, 3))) + gap()


def statement(depth=0):
    variable = lambda: one(["v", "w", "i", "ns.a", "d", "loop.index", "loop.last", "loop.previtem", "loop.nextitem",
                            "loop.length", "loop.revindex0", "loop.cycle('x', 'y')", "loop.changed(i)", "a", "b", "m(v)"])
    kind = dice.randrange(16) if depth < 4 else dice.randrange(5)
    if kind < 3:
        return shown(expression(1))
    if kind < 5:
        return shown(variable())
    if kind < 7:
        middle = tag("elif " + expression(1)) + body(depth) if dice.random() < 0.3 else ""
        last = tag("else") + body(depth) if dice.random() < 0.5 else ""
        return tag("if " + one([expression(1), variable()])) + body(depth) + middle + last + tag("endif")
    if kind < 10:
        items = one([one(LISTS + DICTS), "{'a': 1, 'b': 2}.items()", "[[1, 2], [3, 4]]", "v"])
        condition = one(["", "", " if i", " if i is odd"])
        leave = tag("if loop.index == " + one("123")) + tag(one(["break", "continue"])) + tag("endif")
        last = tag("else") + body(depth) if dice.random() < 0.3 else ""
        return (tag(f"for {one(['i', 'i', 'i, w'])} in {items}{condition}") + body(depth) + one(["", "", leave])
                + body(depth) + last + tag("endfor"))
    if kind < 12:
        return tag(f"set {one(['v', 'w', 'ns.a', 'v, w', 'i'])} = {one([expression(1), '1, 2', one(ALL)])}")
    if kind == 12:
        return tag(f"set {one(['v', 'ns.b'])}{one(['', ' | upper', ' | trim | length'])}") + body(depth) + tag("endset")
    if kind == 13:
        made = tag(f"macro m({one(['', 'a', 'a, b=2', 'a=1, b=v'])})") + body(depth) + tag("endmacro")
        return made + shown(one(["m()", "m(1)", "m(1, 2)", "m(b=3)", "m(1, 2, 3)", "m(z=1)", "m(*[1, 2])", "m(**{'a': 5})"]))
    if kind == 14:
        name = one(["filter upper", "filter indent(2)", "with a = 2, b = v", "generation", "call m(1)"])
        return tag(name) + body(depth) + tag("end" + name.split()[0])
    return one(["{# c #}", "{#- c -#}", "{#+ c +#}", "{%- raw -%} {{ x }} {% endraw %}", "{% raw %}\n {% x %}\n{% endraw -%}"])


PREFIX = ("{% set d = {'a': 1} %}{% set ns = namespace(a=0) %}{% set v = [1, 2] %}"
          "{% macro m(a) %}<{{ a }}{{ caller() if caller }}>{% endmacro %}")


def render_snippet(snippet):
    try:
        return utils._cached_compile_jinja_template(PREFIX + snippet).render()
    except Exception:
        return None


snippets = []
while len(snippets) < 700:
    snippet = shown(expression()) if dice.random() < 0.6 else body(0)
    text = render_snippet(snippet)
    # Half of what chance writes is wrong; an eighth of that is enough. An address differs each time.
    if (text is None and dice.random() < 0.875) or (text and (re.search(" at 0x", text, re.I) or len(text) > 400)):
        continue
    snippets.append([snippet, text])

provenance = "Texts by transformers 5.24.0 and jinja2 3.1.6; null where they raise an error. Made by chat-template.py."
golden = {
    "provenance": provenance, "tools": tools, "conversations": conversations, "withTools": sorted(with_tools),
    "templates": templates, "chats": chats, "prefix": PREFIX, "snippets": snippets,
}
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
