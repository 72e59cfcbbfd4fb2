//! What a site adds: features and rules written as SQL expressions over the columns of a frame.
//!
//! An expression is parsed and checked once, at the start ([`language`]), becomes a DataFusion
//! expression, is folded, and is then evaluated over the beds of a cell as Arrow columns. Every
//! value is a finite number, true, false, or unknown: a value that was never received, no longer
//! speaks of now ([`read`]) or came out of a division by zero is SQL's NULL, never zero. What is
//! evaluated is total and looks at one row alone, so a bed among others is the bed alone.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef},
};
use bedwatch_schemas::{
    column::{Column, Measure},
    evidence::{Band, Fact, FactId, Missing, Subject},
    site::{SiteEvidence, SiteName, SiteRule, Verdict},
    time::EventTime,
    unit::Unit,
};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::{
    ColumnarValue, Expr, execution_props::ExecutionProps, physical_planning_context::PhysicalPlanningContext,
};
use datafusion_physical_expr::{
    PhysicalExpr, PhysicalExprSimplifier, create_physical_expr, expressions::Literal,
};

use crate::config::Derived;

mod error;
mod functions;
mod language;
mod read;

pub use error::{Error, Errors, Place, Problem};
pub use read::Bed;

use language::{Kind, Mention, Parsed};

/// Most rules, and most features, a site may have.
pub const MOST: usize = 64;
/// The longest expression, in bytes.
pub const MAX_EXPRESSION: usize = 2_000;

/// A rule as configured.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// Its name.
    pub name: SiteName,
    /// What it is called.
    pub title: &'a str,
    /// The condition.
    pub when: &'a str,
    /// The condition that clears it; `None`: the contrary of `when`.
    pub clears_when: Option<&'a str>,
}

/// A rule whose conditions hold together.
struct Conditions<'a> {
    rule: &'a Rule<'a>,
    when: Parsed,
    clears: Option<Parsed>,
}

/// A compiled feature.
#[derive(Debug)]
struct Feature {
    name: SiteName,
    unit: Unit,
    kind: Kind,
    mentions: Vec<Mention>,
    /// Over the base columns and the features before it.
    expression: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
}

/// A compiled rule.
#[derive(Debug)]
struct Compiled {
    name: SiteName,
    text: SiteRule,
    /// What it names, `when` first.
    mentions: Vec<Mention>,
    when: Arc<dyn PhysicalExpr>,
    clears_when: Option<Arc<dyn PhysicalExpr>>,
}

/// The site's features and rules, compiled.
#[derive(Debug)]
pub struct Site {
    /// The base columns that are named anywhere, in the order they are first.
    base: Vec<Column>,
    features: Vec<Feature>,
    rules: Vec<Compiled>,
    /// Base columns, then features.
    schema: SchemaRef,
}

impl Site {
    /// Compiles what a site has configured; `None` where it has no rule.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn compile(derived: &[Derived], rules: &[Rule<'_>]) -> Result<Option<Self>, Errors> {
        let mut errors = Vec::new();
        bounds(derived, rules, &mut errors);
        let mut known = language::Known::default();
        let mut parsed = Vec::new();
        for feature in derived {
            let place = Place::Feature(feature.name);
            let unit = unit(feature).map_err(|problem| errors.push(Error { place, problem })).ok();
            let own = language::Known::check_name(feature.name)
                .and_then(|()| language::parse(&feature.expression, &known));
            match own {
                Ok(own) => {
                    known.add(feature.name, own.kind);
                    parsed.push((feature.name, unit.unwrap_or(Unit::One), own));
                }
                Err(problem) => {
                    // Rules that name it are not blamed for it.
                    known.add(feature.name, Kind::Null);
                    errors.push(Error { place, problem });
                }
            }
        }
        let mut conditions = Vec::new();
        for rule in rules {
            let mut condition = |text: &str, place: Place| {
                let found = language::parse(text, &known).and_then(Parsed::condition);
                found.map_err(|problem| errors.push(Error { place, problem })).ok()
            };
            let when = condition(rule.when, Place::When(rule.name));
            let clears = rule.clears_when.and_then(|text| condition(text, Place::Clears(rule.name)));
            // Where one is missing an error says so, and nothing is built.
            conditions.extend(when.map(|when| Conditions { rule, when, clears }));
        }
        if !errors.is_empty() {
            return Err(Errors(errors));
        }
        if rules.is_empty() {
            return Ok(None);
        }
        Self::build(parsed, conditions).map(Some).map_err(|e| Errors(vec![e]))
    }

    fn build(features: Vec<(SiteName, Unit, Parsed)>, rules: Vec<Conditions<'_>>) -> Result<Self, Error> {
        let of_rules = rules.iter().flat_map(|r| std::iter::once(&r.when).chain(&r.clears));
        let all = features.iter().map(|f| &f.2).chain(of_rules);
        let mut seen = BTreeSet::new();
        let named = all.flat_map(|p| &p.mentions).filter_map(|m| match m {
            Mention::Column(c) => Some(*c),
            Mention::Feature(_) => None,
        });
        let base: Vec<Column> = named.filter(|c| seen.insert(*c)).collect();
        let mut fields: Vec<Field> = base.iter().map(|c| field(c.name(), is_truth(*c))).collect();
        let mut compiled = Vec::new();
        for (name, unit, parsed) in features {
            let schema = Arc::new(Schema::new(fields.clone()));
            let place = Place::Feature(name);
            let expression = physical(&parsed.expr, &schema, place)?;
            fields.push(field(name.as_str(), parsed.kind == Kind::Truth));
            let (kind, mentions) = (parsed.kind, parsed.mentions);
            compiled.push(Feature { name, unit, kind, mentions, expression, schema });
        }
        let schema = Arc::new(Schema::new(fields));
        let mut own = Vec::new();
        for Conditions { rule, when, clears } in rules {
            let clears_when = match &clears {
                Some(c) => Some(physical(&c.expr, &schema, Place::Clears(rule.name))?),
                None => None,
            };
            let mut mentions = when.mentions;
            mentions.extend(clears.into_iter().flat_map(|c| c.mentions));
            let mut seen = BTreeSet::new();
            mentions.retain(|m| seen.insert(*m));
            own.push(Compiled {
                name: rule.name,
                text: SiteRule { title: rule.title.to_owned(), when: rule.when.to_owned() },
                mentions,
                when: physical(&when.expr, &schema, Place::When(rule.name))?,
                clears_when,
            });
        }
        Ok(Self { base, features: compiled, rules: own, schema })
    }

    /// The rules' names, in the order of the configuration and of [`Site::judge`].
    pub fn rules(&self) -> impl Iterator<Item = SiteName> + '_ {
        self.rules.iter().map(|r| r.name)
    }

    /// What every rule says of every bed: the rules of the first bed, then those of the second.
    ///
    /// # Errors
    /// When an expression fails to evaluate, which the checks at the start rule out.
    pub fn judge(&self, beds: &[Bed<'_>]) -> Result<Vec<Verdict>, Failed> {
        let readings: Vec<Vec<read::Read>> =
            self.base.iter().map(|c| beds.iter().map(|bed| bed.read(*c)).collect()).collect();
        let batch = self.batch(&readings, beds.len())?;
        let mut verdicts = vec![Verdict::default(); beds.len() * self.rules.len()];
        for (r, rule) in self.rules.iter().enumerate() {
            let holds = truths(&*rule.when, &batch)?;
            let clears = rule.clears_when.as_ref().map(|c| truths(&**c, &batch)).transpose()?;
            let measured: Vec<usize> = self.columns_of(&rule.mentions);
            for bed in 0..beds.len() {
                let holds = holds.get(bed);
                let clears = clears.as_ref().map_or(holds.map(|h| !h), |c| c.get(bed));
                let measured = measured.iter().filter_map(|c| readings[*c][bed].measured).max();
                verdicts[bed * self.rules.len() + r] = Verdict { holds, clears, measured };
            }
        }
        Ok(verdicts)
    }

    /// What a rule rests on at one bed. `None`: there is no such rule.
    #[must_use]
    pub fn evidence(&self, rule: SiteName, bed: &Bed<'_>) -> Option<SiteEvidence> {
        let rule = self.rules.iter().find(|r| r.name == rule)?;
        let (mut facts, mut missing) = (Vec::new(), Vec::new());
        let readings: Vec<Vec<read::Read>> = self.base.iter().map(|c| vec![bed.read(*c)]).collect();
        let batch = self.batch(&readings, 1).ok()?;
        for mention in self.unfolded(&rule.mentions) {
            match mention {
                Mention::Column(column) => {
                    let index = self.base.iter().position(|c| *c == column)?;
                    let read = &readings[index][0];
                    match read.fact(column) {
                        Some(fact) => facts.push(fact),
                        None => missing.extend(read.missing(column, bed)),
                    }
                }
                Mention::Feature(name) => {
                    facts.extend(self.feature_fact(name, &batch, &readings, bed.frame.at))
                }
            }
        }
        let mut seen = BTreeSet::new();
        facts.retain(|f| seen.insert(f.subject));
        missing.retain(|m: &Missing| !seen.contains(&m.subject));
        let mut seen = BTreeSet::new();
        missing.retain(|m| seen.insert(m.subject));
        Some(SiteEvidence { rule: rule.text.clone(), facts, missing })
    }

    /// The features named and what they rest on in turn, each feature before what it rests on.
    fn unfolded(&self, mentions: &[Mention]) -> Vec<Mention> {
        let mut out: Vec<Mention> = mentions.to_vec();
        let mut at = 0;
        while at < out.len() {
            if let Mention::Feature(name) = out[at]
                && let Some(feature) = self.features.iter().find(|f| f.name == name)
            {
                let more = feature.mentions.iter().filter(|m| !out.contains(m)).copied().collect::<Vec<_>>();
                out.extend(more);
            }
            at += 1;
        }
        out
    }

    /// The indices of the base columns that something rests on.
    fn columns_of(&self, mentions: &[Mention]) -> Vec<usize> {
        let unfolded = self.unfolded(mentions);
        let is_named = |c: &Column| unfolded.contains(&Mention::Column(*c));
        self.base.iter().enumerate().filter(|(_, c)| is_named(c)).map(|(i, _)| i).collect()
    }

    /// The value of a feature as a fact: of the newest time of what it rests on.
    fn feature_fact(
        &self,
        name: SiteName,
        batch: &RecordBatch,
        readings: &[Vec<read::Read>],
        now: EventTime,
    ) -> Option<Fact> {
        let feature = self.features.iter().find(|f| f.name == name && f.kind == Kind::Number)?;
        let column = batch.column_by_name(name.as_str())?.as_primitive_opt::<Float64Type>()?;
        let value = column.is_valid(0).then(|| column.value(0))?;
        let times = self.columns_of(&[Mention::Feature(name)]).into_iter().filter_map(|c| readings[c][0].at);
        Some(Fact {
            id: FactId(0),
            subject: Subject::Site(name),
            value,
            unit: feature.unit,
            at: times.max().unwrap_or(now),
            band: Band::Unknown,
            trend: None,
            provenance: None,
        })
    }

    /// The beds as a batch: base columns as read, then the features.
    fn batch(&self, readings: &[Vec<read::Read>], beds: usize) -> Result<RecordBatch, Failed> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (column, values) in self.base.iter().zip(readings) {
            columns.push(array(values, is_truth(*column)));
        }
        for feature in &self.features {
            let batch = rows(&feature.schema, columns.clone(), beds)?;
            let value = feature.expression.evaluate(&batch).and_then(|v| v.into_array_of_size(beds));
            columns.push(value.map_err(|e| Failed(e.to_string()))?);
        }
        rows(&self.schema, columns, beds)
    }
}

/// Why an evaluation failed. It names no patient: values stand in no message of the kernels used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a site's expression could not be evaluated: {0}")]
pub struct Failed(String);

fn rows(schema: &SchemaRef, columns: Vec<ArrayRef>, beds: usize) -> Result<RecordBatch, Failed> {
    let options = RecordBatchOptions::new().with_row_count(Some(beds));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|e| Failed(e.to_string()))
}

fn is_truth(column: Column) -> bool {
    column.info().measure == Measure::Truth
}

fn field(name: &str, truth: bool) -> Field {
    Field::new(name, if truth { DataType::Boolean } else { DataType::Float64 }, true)
}

fn array(values: &[read::Read], truth: bool) -> ArrayRef {
    if truth {
        let mut builder = BooleanBuilder::with_capacity(values.len());
        values.iter().for_each(|v| builder.append_option(v.value.map(|x| x != 0.0)));
        Arc::new(builder.finish())
    } else {
        let mut builder = Float64Builder::with_capacity(values.len());
        values.iter().for_each(|v| builder.append_option(v.value));
        Arc::new(builder.finish())
    }
}

/// A condition's answers, by bed.
struct Truths(ColumnarValue);

impl Truths {
    fn get(&self, bed: usize) -> Option<bool> {
        match &self.0 {
            ColumnarValue::Array(array) => {
                let array = array.as_boolean_opt()?;
                array.is_valid(bed).then(|| array.value(bed))
            }
            ColumnarValue::Scalar(ScalarValue::Boolean(value)) => *value,
            ColumnarValue::Scalar(_) => None,
        }
    }
}

fn truths(condition: &dyn PhysicalExpr, batch: &RecordBatch) -> Result<Truths, Failed> {
    condition.evaluate(batch).map(Truths).map_err(|e| Failed(e.to_string()))
}

/// The expression over these columns, with its constants folded. What folds away altogether is no
/// expression about a bed.
fn physical(expr: &Expr, schema: &SchemaRef, place: Place) -> Result<Arc<dyn PhysicalExpr>, Error> {
    let error = |problem| Error { place, problem };
    let refused = |e: datafusion_common::DataFusionError| error(Problem::Refused(e.strip_backtrace()));
    let frame = DFSchema::try_from(schema.clone()).map_err(refused)?;
    let (properties, planning) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    let plain = create_physical_expr(expr, &frame, &properties, &planning).map_err(refused)?;
    let folded = PhysicalExprSimplifier::new(schema).simplify(plain).map_err(refused)?;
    match folded.data_type(schema).map_err(refused)? {
        DataType::Float64 | DataType::Boolean if folded.downcast_ref::<Literal>().is_none() => Ok(folded),
        DataType::Float64 | DataType::Boolean | DataType::Null => Err(error(Problem::Constant)),
        other => Err(error(Problem::Refused(format!("its type is {other}")))),
    }
}

fn unit(feature: &Derived) -> Result<Unit, Problem> {
    match feature.unit.as_str() {
        "" => Ok(Unit::One),
        text => Unit::parse(text).ok_or_else(|| Problem::Unit(text.to_owned())),
    }
}

/// What can be wrong before anything is parsed.
fn bounds(derived: &[Derived], rules: &[Rule<'_>], errors: &mut Vec<Error>) {
    let mut check = |place: Place, index: usize, is_new: bool, texts: &[&str]| {
        if index >= MOST {
            errors.push(Error { place, problem: Problem::TooMany });
        }
        if !is_new {
            errors.push(Error { place, problem: Problem::Twice });
        }
        if texts.iter().any(|t| t.len() > MAX_EXPRESSION) {
            errors.push(Error { place, problem: Problem::TooLong });
        }
    };
    let mut seen = BTreeSet::new();
    for (i, feature) in derived.iter().enumerate() {
        check(Place::Feature(feature.name), i, seen.insert(feature.name), &[&feature.expression]);
    }
    let mut seen = BTreeSet::new();
    for (i, rule) in rules.iter().enumerate() {
        let clears = rule.clears_when.unwrap_or("");
        check(Place::When(rule.name), i, seen.insert(rule.name), &[rule.when, clears]);
    }
}

#[cfg(test)]
mod tests;
