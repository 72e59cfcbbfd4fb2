//! The language: what of SQL an expression over one frame may be made of.
//!
//! It is a list of what is taken, not of what is refused: columns, numbers, `TRUE`, `FALSE`, `NULL`,
//! `+ - * / %`, comparisons, `AND OR NOT`, `IS [NOT] NULL|TRUE|FALSE|UNKNOWN`, `IS [NOT] DISTINCT FROM`,
//! `BETWEEN`, `IN (...)`, `CASE`, brackets and the functions of [`super::functions`]. Every part is a
//! number or a condition, and this is where that is checked, since here the place is known. No
//! subquery, aggregate or window function, nothing that asks the clock or chance, no text and no
//! cast: nothing that could fail on one row and take the others with it.

use bedwatch_schemas::{
    column::{Column, Measure},
    site::SiteName,
};
use datafusion_common::{Column as ColumnName, ScalarValue};
use datafusion_expr::{Case, Expr, Operator, binary_expr, expr::InList, lit};
use sqlparser::{
    ast::{self, Spanned},
    dialect::GenericDialect,
    parser::Parser,
    tokenizer::{Span, Token},
};

use super::{
    error::{At, Problem},
    functions,
};

/// How deep brackets and the like may be nested.
const DEPTH: usize = 40;

/// The words of the language, by which no feature can be called.
const WORDS: [&str; 17] = [
    "and", "between", "case", "distinct", "else", "end", "false", "from", "in", "is", "not", "null", "or",
    "then", "true", "unknown", "when",
];

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number.
    Number,
    /// True, false or unknown.
    Truth,
    /// `NULL`, which is either.
    Null,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Truth => "a condition",
            Self::Null => "NULL",
        }
    }

    /// What both are; `None` where they differ.
    fn join(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Null, kind) | (kind, Self::Null) => Some(kind),
            (a, b) => (a == b).then_some(a),
        }
    }
}

/// What an expression names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mention {
    /// A column of the dictionary.
    Column(Column),
    /// A feature of the site.
    Feature(SiteName),
}

/// An expression that holds together.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) expr: Expr,
    pub(super) kind: Kind,
    /// In the order they are first named.
    pub(super) mentions: Vec<Mention>,
}

impl Parsed {
    /// Itself, where it is a condition.
    pub(super) fn condition(self) -> Result<Self, Problem> {
        if self.kind == Kind::Truth { Ok(self) } else { Err(Problem::NoCondition) }
    }
}

/// The site's features so far: what comes later may name them.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(SiteName, Kind)>);

impl Known {
    pub(super) fn add(&mut self, name: SiteName, kind: Kind) {
        self.0.push((name, kind));
    }

    fn find(&self, name: &str) -> Option<(Mention, Kind)> {
        let own = self.0.iter().find(|(n, _)| n.as_str() == name);
        if let Some((name, kind)) = own {
            return Some((Mention::Feature(*name), *kind));
        }
        let column = Column::from_name(name)?;
        let truth = column.info().measure == Measure::Truth;
        Some((Mention::Column(column), if truth { Kind::Truth } else { Kind::Number }))
    }

    /// The known name that is written most like this one.
    fn nearest(&self, name: &str) -> String {
        let own = self.0.iter().map(|(n, _)| n.as_str());
        let all = own.chain(Column::all().map(Column::name));
        all.min_by_key(|known| strsim::damerau_levenshtein(known, name)).unwrap_or_default().to_owned()
    }

    /// Whether a feature may be called so: the name must mean nothing yet and be a plain word to SQL.
    pub(super) fn check_name(name: SiteName) -> Result<(), Problem> {
        let text = name.as_str();
        let taken = [&WORDS[..], &functions::NAMES, &functions::VOLATILE, &functions::OVER_ROWS].concat();
        let is_word = matches!(tree(text), Ok(ast::Expr::Identifier(_)));
        if Column::from_name(text).is_some() || taken.contains(&text) || !is_word {
            return Err(Problem::Taken);
        }
        Ok(())
    }
}

/// Parses an expression and checks every part of it.
pub(super) fn parse(text: &str, known: &Known) -> Result<Parsed, Problem> {
    let tree = tree(text)?;
    let mut builder = Builder { known, mentions: Vec::new() };
    let (expr, kind) = builder.expr(&tree)?;
    if builder.mentions.is_empty() {
        return Err(Problem::Constant);
    }
    Ok(Parsed { expr, kind, mentions: builder.mentions })
}

fn tree(text: &str) -> Result<ast::Expr, Problem> {
    let said = |e: sqlparser::parser::ParserError| {
        let text = e.to_string();
        Problem::Syntax(text.trim_start_matches("sql parser error: ").to_owned())
    };
    let mut parser =
        Parser::new(&GenericDialect {}).with_recursion_limit(DEPTH).try_with_sql(text).map_err(said)?;
    let tree = parser.parse_expr().map_err(said)?;
    let rest = parser.next_token();
    if rest.token != Token::EOF {
        let at = at(rest.span);
        return Err(Problem::Syntax(format!("nothing may follow{at}, where {} stands", rest.token)));
    }
    Ok(tree)
}

fn at(span: Span) -> At {
    At { line: span.start.line, character: span.start.column }
}

/// A part of the text as it is quoted in an error.
fn quoted(tree: &ast::Expr) -> String {
    let text = tree.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text,
    }
}

fn unsupported(what: impl Into<String>, tree: &ast::Expr) -> Problem {
    Problem::Unsupported(what.into(), at(tree.span()))
}

type Built = Result<(Expr, Kind), Problem>;

struct Builder<'a> {
    known: &'a Known,
    mentions: Vec<Mention>,
}

impl Builder<'_> {
    fn expr(&mut self, tree: &ast::Expr) -> Built {
        use ast::Expr as E;
        match tree {
            E::Nested(inner) => self.expr(inner),
            E::Identifier(name) => self.name(name),
            E::CompoundIdentifier(parts) => {
                let text: Vec<&str> = parts.iter().map(|p| p.value.as_str()).collect();
                Err(Problem::Qualified(text.join("."), at(tree.span())))
            }
            E::Value(value) => literal(&value.value, at(value.span)),
            E::BinaryOp { left, op, right } => self.binary(tree, left, op, right),
            E::UnaryOp { op, expr } => self.unary(tree, *op, expr),
            E::IsNull(e) => Ok((self.any(e)?.is_null(), Kind::Truth)),
            E::IsNotNull(e) => Ok((self.any(e)?.is_not_null(), Kind::Truth)),
            E::IsTrue(e) => Ok((self.truth(e)?.is_true(), Kind::Truth)),
            E::IsNotTrue(e) => Ok((self.truth(e)?.is_not_true(), Kind::Truth)),
            E::IsFalse(e) => Ok((self.truth(e)?.is_false(), Kind::Truth)),
            E::IsNotFalse(e) => Ok((self.truth(e)?.is_not_false(), Kind::Truth)),
            E::IsUnknown(e) => Ok((self.truth(e)?.is_unknown(), Kind::Truth)),
            E::IsNotUnknown(e) => Ok((self.truth(e)?.is_not_unknown(), Kind::Truth)),
            E::IsDistinctFrom(a, b) => self.same(a, Operator::IsDistinctFrom, b),
            E::IsNotDistinctFrom(a, b) => self.same(a, Operator::IsNotDistinctFrom, b),
            E::Between { expr, negated, low, high } => {
                let (expr, low, high) = (self.number(expr)?, self.number(low)?, self.number(high)?);
                let between = if *negated { expr.not_between(low, high) } else { expr.between(low, high) };
                Ok((between, Kind::Truth))
            }
            E::InList { expr, list, negated } => {
                let expr = Box::new(self.number(expr)?);
                let list = list.iter().map(|e| self.number(e)).collect::<Result<_, _>>()?;
                Ok((Expr::InList(InList { expr, list, negated: *negated }), Kind::Truth))
            }
            E::Case { operand, conditions, else_result, .. } => {
                self.case(tree, operand.as_deref(), conditions, else_result.as_deref())
            }
            E::Function(function) => self.function(tree, function),
            E::Ceil { expr, field } => self.rounded(tree, "ceil", expr, field),
            E::Floor { expr, field } => self.rounded(tree, "floor", expr, field),
            E::Subquery(_) | E::Exists { .. } | E::InSubquery { .. } => Err(unsupported("a subquery", tree)),
            E::Cast { .. } | E::TypedString(_) => Err(unsupported("a cast", tree)),
            E::Like { .. } | E::ILike { .. } | E::SimilarTo { .. } | E::RLike { .. } => {
                Err(unsupported("a comparison of text", tree))
            }
            _ => Err(unsupported(quoted(tree), tree)),
        }
    }

    fn name(&mut self, name: &ast::Ident) -> Built {
        let text = if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() };
        let at = at(name.span);
        if functions::VOLATILE.contains(&text.as_str()) {
            return Err(Problem::Volatile(text, at));
        }
        let Some((mention, kind)) = self.known.find(&text) else {
            let nearest = self.known.nearest(&text);
            return Err(Problem::UnknownColumn(text, at, nearest));
        };
        if !self.mentions.contains(&mention) {
            self.mentions.push(mention);
        }
        Ok((Expr::Column(ColumnName::new_unqualified(text)), kind))
    }

    fn any(&mut self, tree: &ast::Expr) -> Result<Expr, Problem> {
        let (expr, kind) = self.expr(tree)?;
        Ok(typed(expr, kind, Kind::Number))
    }

    fn of(&mut self, tree: &ast::Expr, want: Kind) -> Result<Expr, Problem> {
        let (expr, kind) = self.expr(tree)?;
        match kind.join(want) {
            Some(_) => Ok(typed(expr, kind, want)),
            None => Err(Problem::Type(quoted(tree), at(tree.span()), kind.words(), want.words())),
        }
    }

    fn number(&mut self, tree: &ast::Expr) -> Result<Expr, Problem> {
        self.of(tree, Kind::Number)
    }

    fn truth(&mut self, tree: &ast::Expr) -> Result<Expr, Problem> {
        self.of(tree, Kind::Truth)
    }

    /// Two of one kind, compared.
    fn same(&mut self, left: &ast::Expr, op: Operator, right: &ast::Expr) -> Built {
        let (a, kind) = self.expr(left)?;
        let (b, other) = self.expr(right)?;
        let Some(both) = kind.join(other) else {
            return Err(Problem::Type(quoted(right), at(right.span()), other.words(), kind.words()));
        };
        Ok((binary_expr(typed(a, kind, both), op, typed(b, other, both)), Kind::Truth))
    }

    fn binary(
        &mut self,
        tree: &ast::Expr,
        left: &ast::Expr,
        op: &ast::BinaryOperator,
        right: &ast::Expr,
    ) -> Built {
        use ast::BinaryOperator as B;
        let arithmetic = |op| Ok((op, Kind::Number));
        let (op, want) = match op {
            B::Eq => return self.same(left, Operator::Eq, right),
            B::NotEq => return self.same(left, Operator::NotEq, right),
            B::Plus => arithmetic(Operator::Plus),
            B::Minus => arithmetic(Operator::Minus),
            B::Multiply => arithmetic(Operator::Multiply),
            B::Divide => arithmetic(Operator::Divide),
            B::Modulo => arithmetic(Operator::Modulo),
            B::Lt => Ok((Operator::Lt, Kind::Number)),
            B::LtEq => Ok((Operator::LtEq, Kind::Number)),
            B::Gt => Ok((Operator::Gt, Kind::Number)),
            B::GtEq => Ok((Operator::GtEq, Kind::Number)),
            B::And => Ok((Operator::And, Kind::Truth)),
            B::Or => Ok((Operator::Or, Kind::Truth)),
            other => Err(unsupported(format!("the operator {other}"), tree)),
        }?;
        let (left, right) = (self.of(left, want)?, self.of(right, want)?);
        let expr = binary_expr(left, op, right);
        if op.is_numerical_operators() {
            return Ok((functions::finite(expr), Kind::Number));
        }
        Ok((expr, Kind::Truth))
    }

    fn unary(&mut self, tree: &ast::Expr, op: ast::UnaryOperator, expr: &ast::Expr) -> Built {
        match op {
            ast::UnaryOperator::Not => Ok((!self.truth(expr)?, Kind::Truth)),
            ast::UnaryOperator::Minus => Ok((-self.number(expr)?, Kind::Number)),
            ast::UnaryOperator::Plus => Ok((self.number(expr)?, Kind::Number)),
            other => Err(unsupported(format!("the operator {other}"), tree)),
        }
    }

    fn case(
        &mut self,
        tree: &ast::Expr,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        else_result: Option<&ast::Expr>,
    ) -> Built {
        let operand = operand.map(|e| self.number(e)).transpose()?;
        let want = if operand.is_some() { Kind::Number } else { Kind::Truth };
        let mut when_then = Vec::new();
        let mut kind = Kind::Null;
        let mut result = |this: &mut Self, tree: &ast::Expr| {
            let (expr, own) = this.expr(tree)?;
            let Some(joined) = kind.join(own) else {
                return Err(Problem::Type(quoted(tree), at(tree.span()), own.words(), kind.words()));
            };
            kind = joined;
            Ok((expr, own))
        };
        for arm in conditions {
            when_then.push((self.of(&arm.condition, want)?, result(self, &arm.result)?));
        }
        let otherwise = else_result.map(|e| result(self, e)).transpose()?;
        if kind == Kind::Null {
            return Err(unsupported("a CASE of nothing but NULL", tree));
        }
        let arms = when_then.into_iter();
        let arms =
            arms.map(|(when, (then, own))| (Box::new(when), Box::new(typed(then, own, kind)))).collect();
        let otherwise = otherwise.map(|(expr, own)| Box::new(typed(expr, own, kind)));
        Ok((Expr::Case(Case::new(operand.map(Box::new), arms, otherwise)), kind))
    }

    fn rounded(
        &mut self,
        tree: &ast::Expr,
        name: &str,
        expr: &ast::Expr,
        field: &ast::CeilFloorKind,
    ) -> Built {
        match field {
            ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {
                self.call(tree, name, &[expr])
            }
            _ => Err(Problem::Arguments(name.to_owned(), at(tree.span()), "one argument".to_owned())),
        }
    }

    fn function(&mut self, tree: &ast::Expr, function: &ast::Function) -> Built {
        let name = function.name.to_string().to_lowercase();
        let at = at(tree.span());
        if functions::VOLATILE.contains(&name.as_str()) {
            return Err(Problem::Volatile(name, at));
        }
        if function.over.is_some() || functions::OVER_ROWS.contains(&name.as_str()) {
            return Err(Problem::Rows(name, at));
        }
        if functions::arguments(&name).is_none() {
            return Err(Problem::UnknownFunction(name, at, functions::NAMES.join(", ")));
        }
        let plain = function.parameters == ast::FunctionArguments::None
            && function.filter.is_none()
            && function.null_treatment.is_none()
            && function.within_group.is_empty()
            && !function.uses_odbc_syntax;
        let args = match &function.args {
            ast::FunctionArguments::List(list)
                if plain && list.duplicate_treatment.is_none() && list.clauses.is_empty() =>
            {
                list.args.iter().map(|arg| match arg {
                    ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(e)) => Ok(e),
                    _ => Err(unsupported(format!("such an argument of {name}"), tree)),
                })
            }
            _ => return Err(unsupported(format!("such a call of {name}"), tree)),
        };
        let args = args.collect::<Result<Vec<_>, _>>()?;
        self.call(tree, &name, &args)
    }

    fn call(&mut self, tree: &ast::Expr, name: &str, args: &[&ast::Expr]) -> Built {
        let Some((takes, words)) = functions::arguments(name) else {
            return Err(Problem::UnknownFunction(
                name.to_owned(),
                at(tree.span()),
                functions::NAMES.join(", "),
            ));
        };
        if !takes.contains(&args.len()) {
            return Err(Problem::Arguments(name.to_owned(), at(tree.span()), words.to_owned()));
        }
        // coalesce and nullif take conditions too, all or none.
        let mut kind = if matches!(name, "coalesce" | "nullif") { Kind::Null } else { Kind::Number };
        let mut built = Vec::new();
        for arg in args {
            let (expr, own) = self.expr(arg)?;
            let Some(joined) = kind.join(own) else {
                return Err(Problem::Type(quoted(arg), at(arg.span()), own.words(), kind.words()));
            };
            kind = joined;
            built.push((expr, own));
        }
        let kind = if kind == Kind::Null { Kind::Number } else { kind };
        let args = built.into_iter().map(|(expr, own)| typed(expr, own, kind)).collect();
        let call = functions::call(name, args, null(kind));
        call.map(|expr| (expr, kind)).map_err(|e| Problem::Refused(e.strip_backtrace()))
    }
}

/// NULL becomes the NULL of the kind that is wanted.
fn typed(expr: Expr, kind: Kind, want: Kind) -> Expr {
    if kind == Kind::Null { lit(null(want)) } else { expr }
}

fn null(kind: Kind) -> ScalarValue {
    match kind {
        Kind::Truth => ScalarValue::Boolean(None),
        Kind::Number | Kind::Null => ScalarValue::Float64(None),
    }
}

fn literal(value: &ast::Value, at: At) -> Built {
    match value {
        ast::Value::Number(text, _) => {
            let number = text.parse::<f64>().ok().filter(|x| x.is_finite());
            let number = number.ok_or_else(|| Problem::Number(text.clone(), at))?;
            Ok((lit(number), Kind::Number))
        }
        ast::Value::Boolean(value) => Ok((lit(*value), Kind::Truth)),
        ast::Value::Null => Ok((lit(ScalarValue::Null), Kind::Null)),
        ast::Value::Placeholder(text) => Err(Problem::Unsupported(format!("the placeholder {text}"), at)),
        _ => Err(Problem::Unsupported("text".to_owned(), at)),
    }
}
