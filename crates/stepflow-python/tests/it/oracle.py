"""Prints what CPython's `ast` says about the sources below a folder, one JSON object per line.

Arguments: of how many sources one is looked at, the folder.

Written from the documentation of `ast` alone, so that it shares no mistake with what it checks.
Shape: `{"path", "text", "compiles"}`, and `facts` where the grammar accepts the text.
"""

import ast
import io
import json
import os
import re
import sys
import tokenize
import warnings

# The lines of the grammar: unlike those of `str.splitlines`, no form feed ends one.
LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
KINDS = ("positional_only", "positional_or_keyword", "keyword_only")


class Facts:
    def __init__(self, text, tree):
        self.text = text
        self.lines = LINE.findall(text)
        self.bytes = [line.encode() for line in self.lines]
        self.functions, self.classes, self.imports, self.constants = [], [], [], []
        self.entry_point = None
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.body(tree.body, "", None, False, False)
        self.docstring = docstring(tree)

    def column(self, line, offset):
        if line > len(self.bytes):
            return offset + 1
        return len(self.bytes[line - 1][:offset].decode()) + 1

    def span(self, node):
        return {
            "line": node.lineno,
            "column": self.column(node.lineno, node.col_offset),
            "end_line": node.end_lineno,
            "end_column": self.column(node.end_lineno, node.end_col_offset),
        }

    def offset(self, line, column):
        return self.starts[line - 1] + column - 1

    def segment(self, node):
        if node is None:
            return None
        span = self.span(node)
        return self.text[self.offset(span["line"], span["column"]):self.offset(span["end_line"], span["end_column"])]

    def whole(self, node):
        span = self.span(node)
        start, end = self.offset(span["line"], span["column"]), self.offset(span["end_line"], span["end_column"])
        if node.decorator_list:
            first = self.span(node.decorator_list[0])
            start = self.text.rindex("@", 0, self.offset(first["line"], first["column"]))
        bare = start
        while bare > 0 and self.text[bare - 1] in " \t\f":
            bare -= 1
        if bare == 0 or self.text[bare - 1] in "\r\n":
            start = bare
        return self.text[start:end]

    def body(self, body, prefix, owner, in_function, conditional):
        for node in body:
            self.statement(node, prefix, owner, in_function, conditional)

    def statement(self, node, prefix, owner, in_function, conditional):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            fact = self.function(node, prefix)
            (self.functions if owner is None else owner["methods"]).append(fact)
            if owner is not None and node.name == "__init__":
                self.instance_fields(owner, node)
            self.body(node.body, fact["qualified_name"] + ".<locals>.", None, True, False)
        elif isinstance(node, ast.ClassDef):
            fact = {
                "name": node.name,
                "qualified_name": prefix + node.name,
                "bases": [self.segment(base) for base in node.bases],
                "keywords": [self.segment(keyword) for keyword in node.keywords],
                "decorators": [self.segment(one) for one in node.decorator_list],
                "docstring": docstring(node),
                "methods": [],
                "fields": [],
                "source_code": self.whole(node),
                "span": self.span(node),
            }
            self.classes.append(fact)
            self.body(node.body, fact["qualified_name"] + ".", fact, False, False)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                whole = isinstance(node, ast.Import)
                self.imports.append({
                    "module": alias.name if whole else node.module or "",
                    "name": None if whole else alias.name,
                    "alias": alias.asname,
                    "level": 0 if whole else node.level,
                    "is_conditional": conditional,
                    "is_in_function": in_function,
                    "is_lazy": bool(getattr(node, "is_lazy", False)),
                    "is_call": False,
                    "span": self.span(node),
                })
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not in_function:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    self.assigned(node, target.id, owner)
        else:
            if isinstance(node, ast.If) and owner is None and not in_function and self.entry_point is None:
                if is_main_guard(node.test):
                    self.entry_point = self.span(node)
            self.blocks(node, prefix, owner, in_function)

    def blocks(self, node, prefix, owner, in_function):
        for field in ("body", "handlers", "cases", "orelse", "finalbody"):
            for child in getattr(node, field, None) or []:
                if isinstance(child, ast.stmt):
                    # `elif` is an `if` inside `else`; what stands below it is conditional anyway.
                    if isinstance(child, ast.If) and field == "orelse" and isinstance(node, ast.If):
                        self.blocks(child, prefix, owner, in_function)
                    self_contained = not (isinstance(child, ast.If) and field == "orelse" and isinstance(node, ast.If))
                    if self_contained:
                        self.statement(child, prefix, owner, in_function, True)
                elif isinstance(child, ast.AST):
                    self.blocks(child, prefix, owner, in_function)

    def assigned(self, node, name, owner):
        annotation = self.segment(getattr(node, "annotation", None))
        if owner is not None:
            add_field(owner, name, annotation, self.segment(node.value), False)
        elif node.value is not None and any(map(str.isupper, name)) and not any(map(str.islower, name)):
            self.constants.append({"name": name, "annotation": annotation, "value": self.segment(node.value), "span": self.span(node)})

    def instance_fields(self, owner, node):
        arguments = node.args
        ordered = arguments.posonlyargs + arguments.args
        ordered += [arguments.vararg] if arguments.vararg else []
        ordered += arguments.kwonlyargs + ([arguments.kwarg] if arguments.kwarg else [])
        if not ordered:
            return
        for child in node.body:
            if isinstance(child, (ast.Assign, ast.AnnAssign)):
                for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == ordered[0].arg:
                        annotation = self.segment(getattr(child, "annotation", None))
                        add_field(owner, target.attr, annotation, self.segment(child.value), True)

    def function(self, node, prefix):
        return {
            "name": node.name,
            "qualified_name": prefix + node.name,
            "parameters": self.parameters(node.args),
            "return_type": self.segment(node.returns),
            "docstring": docstring(node),
            "decorators": [self.segment(one) for one in node.decorator_list],
            "is_async": isinstance(node, ast.AsyncFunctionDef),
            "source_code": self.whole(node),
            "span": self.span(node),
        }

    def parameters(self, arguments):
        found = []

        def add(argument, kind, default):
            found.append({"name": argument.arg, "kind": kind, "annotation": self.segment(argument.annotation), "default": self.segment(default)})

        positional = arguments.posonlyargs + arguments.args
        defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
        for index, (argument, default) in enumerate(zip(positional, defaults)):
            add(argument, KINDS[index >= len(arguments.posonlyargs)], default)
        if arguments.vararg:
            add(arguments.vararg, "var_positional", None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
            add(argument, "keyword_only", default)
        if arguments.kwarg:
            add(arguments.kwarg, "var_keyword", None)
        return found


def add_field(owner, name, annotation, default, is_instance):
    if all(field["name"] != name for field in owner["fields"]):
        owner["fields"].append({"name": name, "annotation": annotation, "default": default, "is_instance": is_instance})


def docstring(node):
    text = ast.get_docstring(node)
    # JSON has no lone surrogates.
    return text and text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def is_main_guard(test):
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = [test.left, test.comparators[0]]
    names = [isinstance(side, ast.Name) and side.id == "__name__" for side in sides]
    texts = [isinstance(side, ast.Constant) and side.value == "__main__" for side in sides]
    return names[0] and texts[1] or names[1] and texts[0]


def compiles(text, path):
    try:
        compile(text, path, "exec", dont_inherit=True)
        return True
    except (SyntaxError, ValueError):
        return False


def look(path):
    try:
        with open(path, "rb") as file:
            content = file.read()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None
    if "\0" in text:
        return None
    found = {"path": path, "text": text, "compiles": compiles(text, path)}
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return found
    facts = Facts(text, tree)
    found["facts"] = {key: getattr(facts, key) for key in ("functions", "classes", "imports", "constants", "entry_point", "docstring")}
    return found


warnings.simplefilter("ignore")
every, folder = int(sys.argv[1]), sys.argv[2]
paths = []
for root, folders, files in os.walk(folder):
    folders[:] = sorted(name for name in folders if name != "site-packages")
    paths += [os.path.join(root, name) for name in sorted(files) if name.endswith(".py")]
for path in paths[::every]:
    found = look(path)
    if found:
        print(json.dumps(found))
