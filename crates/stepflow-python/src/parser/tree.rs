//! The syntax tree as data: a flat list in the order of the source.
//!
//! Each node names its parent by index, so nothing that stores, sends or drops a tree recurses,
//! however deep it is.

use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal};
use ruff_python_ast::{AnyNodeRef, ModModule};
use ruff_text_size::Ranged;
use serde::{Deserialize, Serialize};

/// A syntax tree. Source: seed 003, "AST", which names it and does not say what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AST {
    /// Every node, parents before children, siblings as in the source.
    pub nodes: Vec<Node>,
}

/// One node of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Such as `StmtFunctionDef` or `ExprCall`. Source: the node names of `ruff_python_ast`.
    pub kind: String,
    /// Index of the parent; `None` for the module.
    pub parent: Option<u32>,
    /// Units: bytes of the source.
    pub start: u32,
    /// Units: bytes of the source; the first one behind it.
    pub end: u32,
    /// The text of an `Identifier` or an `ExprName`.
    pub name: Option<String>,
}

impl AST {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn of_module(module: &ModModule) -> Self {
        let mut builder = Builder::default();
        let root = AnyNodeRef::from(module);
        builder.enter_node(root);
        builder.visit_body(&module.body);
        builder.leave_node(root);
        Self {
            nodes: builder.nodes,
        }
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    open: Vec<u32>,
}

impl<'a> SourceOrderVisitor<'a> for Builder {
    fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
        // A source has fewer bytes than `u32` counts, and a node has at least one of them.
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node {
            kind: format!("{:?}", node.kind()),
            parent: self.open.last().copied(),
            start: node.start().to_u32(),
            end: node.end().to_u32(),
            name: name_of(node).map(str::to_owned),
        });
        self.open.push(index);
        TraversalSignal::Traverse
    }

    fn leave_node(&mut self, _node: AnyNodeRef<'a>) {
        self.open.pop();
    }
}

fn name_of(node: AnyNodeRef<'_>) -> Option<&str> {
    match node {
        AnyNodeRef::Identifier(node) => Some(node.as_str()),
        AnyNodeRef::ExprName(node) => Some(node.id.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_a_list_whose_parents_come_first() {
        let source = "import os\nos.path.join('a', b=1)\n";
        let tree = ruff_python_parser::parse_module(source).unwrap();
        let ast = AST::of_module(tree.syntax());
        let shown: Vec<_> = ast
            .nodes
            .iter()
            .map(|node| {
                let parent = node
                    .parent
                    .map_or("-", |parent| &ast.nodes[parent as usize].kind);
                let name = node.name.as_deref().unwrap_or_default();
                format!("{parent}>{}:{name}", node.kind)
            })
            .collect();
        assert_eq!(
            shown.join(" "),
            "->ModModule: ModModule>StmtImport: StmtImport>Alias: Alias>Identifier:os \
             ModModule>StmtExpr: StmtExpr>ExprCall: ExprCall>ExprAttribute: \
             ExprAttribute>ExprAttribute: ExprAttribute>ExprName:os \
             ExprAttribute>Identifier:path ExprAttribute>Identifier:join ExprCall>Arguments: \
             Arguments>ExprStringLiteral: ExprStringLiteral>StringLiteral: Arguments>Keyword: \
             Keyword>Identifier:b Keyword>ExprNumberLiteral:"
        );
        let json = serde_json::to_string(&ast).unwrap();
        assert_eq!(serde_json::from_str::<AST>(&json).unwrap(), ast);
        assert_eq!(
            &source[ast.nodes[5].start as usize..ast.nodes[5].end as usize],
            "os.path.join('a', b=1)"
        );
    }
}
