//! The facts of a syntax tree, as data.

mod classes;
mod docstrings;
mod functions;

use std::cell::Cell;
use std::collections::HashSet;

use ruff_python_ast::token::Tokens;
use ruff_python_ast::{Expr, ModModule, Stmt};
use ruff_text_size::{Ranged, TextRange, TextSize};

pub(crate) use self::docstrings::docstring as docstring_of;
use self::docstrings::docstring;
use super::lines::Lines;
use super::module::{Constant, Import, PythonClass, PythonFunction};

/// What a module is made of, without what is not in its tree.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) functions: Vec<PythonFunction>,
    pub(crate) classes: Vec<PythonClass>,
    pub(crate) imports: Vec<Import>,
    pub(crate) constants: Vec<Constant>,
    pub(crate) docstring: Option<String>,
    pub(crate) entry_point: Option<engine::Span>,
}

/// The facts of `module`, whose text is `source`. Recurses over its blocks: only for pool threads.
///
/// `None` when they would be many times as long as the source: nested definitions contain each
/// other's text, and a name of a megabyte can precede ten thousand others.
pub(crate) fn of_module(
    source: &str,
    lines: &Lines<'_>,
    module: &ModModule,
    tokens: &Tokens,
) -> Option<Facts> {
    let text = Text {
        source,
        lines,
        tokens,
        kept: Cell::new(0),
    };
    let mut collector = Collector {
        text: &text,
        path: String::new(),
        fields: HashSet::new(),
        facts: Facts {
            docstring: docstring(&module.body),
            ..Default::default()
        },
    };
    collector.body(&module.body, Place::default());
    (!text.is_full()).then_some(collector.facts)
}

/// The text behind the tree.
struct Text<'a> {
    source: &'a str,
    lines: &'a Lines<'a>,
    tokens: &'a Tokens,
    /// Bytes copied so far.
    kept: Cell<usize>,
}

impl Text<'_> {
    fn most(&self) -> usize {
        16 * self.source.len() + (1 << 20)
    }

    fn is_full(&self) -> bool {
        self.kept.get() > self.most()
    }

    /// A copy, as long as all copies together are not too long.
    fn keep(&self, text: &str) -> String {
        self.join(&[text])
    }

    /// The same of several texts behind each other.
    fn join(&self, parts: &[&str]) -> String {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        self.kept.set(self.kept.get().saturating_add(length));
        if self.is_full() {
            String::new()
        } else {
            parts.concat()
        }
    }

    fn of(&self, node: impl Ranged) -> String {
        let range = node.range().to_std_range();
        self.keep(self.source.get(range).unwrap_or_default())
    }

    /// The range, and the `;` that ends its last line, which CPython counts as part of a block.
    fn block(&self, range: TextRange) -> TextRange {
        let behind = &self.source[range.end().to_usize()..];
        let mut next = behind;
        loop {
            next = next.trim_start_matches([' ', '\t', '\x0c']);
            let joined = ["\\\r\n", "\\\n", "\\\r"];
            match joined.iter().find_map(|joint| next.strip_prefix(joint)) {
                Some(line) => next = line,
                None => break,
            }
        }
        match next.strip_prefix(';') {
            Some(rest) => TextRange::new(
                range.start(),
                range.end() + TextSize::of(behind) - TextSize::of(rest),
            ),
            None => range,
        }
    }

    /// The range and whatever white space indents its first line, so that it can be parsed again.
    fn whole_lines(&self, range: TextRange) -> String {
        let before = &self.source[..range.start().to_usize()];
        let indented = before.trim_end_matches([' ', '\t', '\x0c']).len();
        let starts_line = indented == 0 || before[..indented].ends_with(['\n', '\r']);
        let start = if starts_line { indented } else { before.len() };
        self.keep(&self.source[start..range.end().to_usize()])
    }
}

/// Where a statement stands.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    /// Index of the class whose body this is.
    class: Option<usize>,
    in_function: bool,
    is_conditional: bool,
}

impl Place {
    fn conditional(self) -> Self {
        Self {
            is_conditional: true,
            ..self
        }
    }

    fn is_top_level(self) -> bool {
        self.class.is_none() && !self.in_function
    }
}

struct Collector<'a> {
    text: &'a Text<'a>,
    /// What precedes the names of definitions here: `Class.` or `outer.<locals>.`.
    path: String,
    /// The class and the name of each field found.
    fields: HashSet<(usize, String)>,
    facts: Facts,
}

impl Collector<'_> {
    fn body(&mut self, body: &[Stmt], place: Place) {
        for statement in body {
            if self.text.is_full() {
                return;
            }
            self.statement(statement, place);
        }
    }

    /// The body of a definition; `joint` stands between its name and those within.
    fn inside(&mut self, name: &str, joint: &str, body: &[Stmt], place: Place) {
        let around = self.path.len();
        self.path.push_str(name);
        self.path.push_str(joint);
        self.body(body, place);
        self.path.truncate(around);
    }

    fn statement(&mut self, statement: &Stmt, place: Place) {
        match statement {
            Stmt::FunctionDef(function) => self.function(function, place),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.import(statement, place),
            Stmt::Assign(_) | Stmt::AnnAssign(_) => self.assignment(statement, place),
            Stmt::If(branch) => {
                if place.is_top_level() && is_main_guard(&branch.test) {
                    let span = self.text.lines.span(self.text.block(branch.range));
                    self.facts.entry_point.get_or_insert(span);
                }
                self.blocks(statement, place);
            }
            _ => self.blocks(statement, place),
        }
    }

    /// The blocks of a compound statement that is no definition.
    fn blocks(&mut self, statement: &Stmt, place: Place) {
        let place = place.conditional();
        match statement {
            Stmt::For(each) => {
                self.body(&each.body, place);
                self.body(&each.orelse, place);
            }
            Stmt::While(repeat) => {
                self.body(&repeat.body, place);
                self.body(&repeat.orelse, place);
            }
            Stmt::If(branch) => {
                self.body(&branch.body, place);
                for clause in &branch.elif_else_clauses {
                    self.body(&clause.body, place);
                }
            }
            Stmt::With(with) => self.body(&with.body, place),
            Stmt::Match(choice) => {
                for case in &choice.cases {
                    self.body(&case.body, place);
                }
            }
            Stmt::Try(guarded) => {
                self.body(&guarded.body, place);
                for handler in &guarded.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    self.body(&handler.body, place);
                }
                self.body(&guarded.orelse, place);
                self.body(&guarded.finalbody, place);
            }
            _ => {}
        }
    }

    fn import(&mut self, statement: &Stmt, place: Place) {
        let text = self.text;
        let found = Import {
            is_conditional: place.is_conditional,
            is_in_function: place.in_function,
            span: text.lines.span(statement.range()),
            ..Default::default()
        };
        let alias = |alias: &ruff_python_ast::Alias| {
            let name = alias.asname.as_ref();
            name.map(|name| text.keep(name.as_str()))
        };
        match statement {
            Stmt::Import(import) => {
                self.facts
                    .imports
                    .extend(import.names.iter().map(|one| Import {
                        module: text.keep(one.name.as_str()),
                        alias: alias(one),
                        is_lazy: import.is_lazy,
                        ..found.clone()
                    }));
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                self.facts
                    .imports
                    .extend(import.names.iter().map(|one| Import {
                        module: text.keep(module),
                        name: Some(text.keep(one.name.as_str())),
                        alias: alias(one),
                        level: import.level,
                        is_lazy: import.is_lazy,
                        ..found.clone()
                    }));
            }
            _ => {}
        }
    }

    /// A constant of the module, or a field of the class.
    fn assignment(&mut self, statement: &Stmt, place: Place) {
        if place.in_function {
            return;
        }
        for (name, annotation, value) in assigned(statement) {
            let annotation = annotation.map(|annotation| self.text.of(annotation));
            match (place.class, value) {
                (Some(class), value) => {
                    let default = value.map(|value| self.text.of(value));
                    self.add_field(class, name, annotation, default, false);
                }
                (None, Some(value)) if is_constant(name) => self.facts.constants.push(Constant {
                    name: name.to_owned(),
                    annotation,
                    value: self.text.of(value),
                    span: self.text.lines.span(statement.range()),
                }),
                (None, _) => {}
            }
        }
    }
}

/// The plain names a statement assigns, with annotation and value.
fn assigned(statement: &Stmt) -> Vec<(&str, Option<&Expr>, Option<&Expr>)> {
    match statement {
        Stmt::Assign(assign) => {
            let names = assign.targets.iter().filter_map(Expr::as_name_expr);
            names
                .map(|name| (name.id.as_str(), None, Some(&*assign.value)))
                .collect()
        }
        Stmt::AnnAssign(assign) => {
            let name = assign.target.as_name_expr().into_iter();
            name.map(|name| {
                (
                    name.id.as_str(),
                    Some(&*assign.annotation),
                    assign.value.as_deref(),
                )
            })
            .collect()
        }
        _ => Vec::new(),
    }
}

fn is_constant(name: &str) -> bool {
    name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase)
}

fn is_main_guard(test: &Expr) -> bool {
    let Expr::Compare(compare) = test else {
        return false;
    };
    let is_name = |side: &Expr| {
        side.as_name_expr()
            .is_some_and(|name| name.id.as_str() == "__name__")
    };
    let is_main = |side: &Expr| {
        side.as_string_literal_expr()
            .is_some_and(|text| text.value.to_str() == "__main__")
    };
    matches!(*compare.ops, [ruff_python_ast::CmpOp::Eq])
        && matches!(&*compare.comparators, [right] if
            (is_name(&compare.left) && is_main(right)) || (is_main(&compare.left) && is_name(right)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(source: &str) -> Option<Facts> {
        let tree = ruff_python_parser::parse_module(source).unwrap();
        of_module(source, &Lines::of(source), tree.syntax(), tree.tokens())
    }

    #[test]
    fn definitions_know_where_they_stand() {
        let source = "\
'''  doc
    more
'''
LIMIT: int = 3
other = 1
class A(B, metaclass=M):
    x = 1
    x = 2
    y: int
    @staticmethod
    async def m(a, /, b: int = 2, *c, d, **e) -> str:
        'of m'
        def inner(): pass
    def __init__(self, z):
        self.z = z
        other.w = 1
if __name__ == '__main__':
    def late(): pass
";
        let facts = facts(source).unwrap();
        assert_eq!(facts.docstring.as_deref(), Some("doc\nmore"));
        assert_eq!(facts.constants.len(), 1);
        assert_eq!(
            (
                facts.constants[0].name.as_str(),
                facts.constants[0].value.as_str()
            ),
            ("LIMIT", "3")
        );
        assert_eq!(facts.entry_point.unwrap().line, 17);
        let names: Vec<_> = facts
            .functions
            .iter()
            .map(|one| one.qualified_name.as_str())
            .collect();
        assert_eq!(names, ["A.m.<locals>.inner", "late"]);
        let class = &facts.classes[0];
        assert_eq!(
            (class.bases.join(" "), class.keywords.join(" ")),
            ("B".into(), "metaclass=M".into())
        );
        let fields: Vec<_> = class
            .fields
            .iter()
            .map(|one| (one.name.as_str(), one.default.as_deref()))
            .collect();
        assert_eq!(fields, [("x", Some("1")), ("y", None), ("z", Some("z"))]);
        let method = &class.methods[0];
        assert!(
            method.is_async
                && method
                    .source_code
                    .starts_with("    @staticmethod\n    async def m(")
        );
        assert_eq!((method.span.line, method.span.column), (11, 5));
        assert_eq!(method.decorators, ["staticmethod"]);
        let parameters: Vec<_> = method
            .parameters
            .iter()
            .map(|one| {
                format!(
                    "{} {:?} {:?} {:?}",
                    one.name, one.kind, one.annotation, one.default
                )
            })
            .collect();
        assert_eq!(
            parameters,
            [
                "a PositionalOnly None None",
                "b PositionalOrKeyword Some(\"int\") Some(\"2\")",
                "c VarPositional None None",
                "d KeywordOnly None None",
                "e VarKeyword None None",
            ]
        );
    }

    #[test]
    fn facts_many_times_as_long_as_their_source_are_refused() {
        let long = "a".repeat(300_000);
        let methods = "  def f(): 0\n".repeat(20_000);
        assert!(facts(&format!("class {long}:\n{methods}")).is_none());
        let names: String = (0..20_000).map(|number| format!("a{number},")).collect();
        assert!(facts(&format!("from {long} import ({names})\n")).is_none());
        assert!(facts(&format!("class A:\n{methods}")).is_some());
    }

    #[test]
    fn a_semicolon_behind_a_block_is_part_of_it() {
        for (source, expected) in [
            ("def f(): x", "def f(): x"),
            ("def f(): x ;\n", "def f(): x ;"),
            ("def f(): x \\\r\n ;\n", "def f(): x \\\r\n ;"),
            ("def f(): x # ;\n", "def f(): x"),
            ("def f():\n x\n# ;", "def f():\n x"),
        ] {
            let found = facts(source).unwrap();
            assert_eq!(found.functions[0].source_code, expected);
        }
    }

    #[test]
    fn only_the_main_guard_is_an_entry_point() {
        for (test, expected) in [
            ("__name__ == '__main__'", true),
            ("'__main__' == __name__", true),
            ("__name__ != '__main__'", false),
            ("__name__ == 'main'", false),
            ("name == '__main__'", false),
            ("__name__ == '__main__' == x", false),
        ] {
            let found = facts(&format!("if {test}: pass")).unwrap().entry_point;
            assert_eq!(found.is_some(), expected, "{test}");
        }
        assert!(
            facts("def f():\n if __name__ == '__main__': pass")
                .unwrap()
                .entry_point
                .is_none()
        );
    }
}
