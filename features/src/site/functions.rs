//! The functions of the language, and the kernel that keeps every number finite.
//!
//! All are pure functions of one row. A result that is no finite number (a division by zero, the
//! logarithm of a negative number, an overflow) is unknown: DataFusion orders NaN above every
//! number, so that it would hold every "greater than".

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Float64Array},
    datatypes::{DataType, Float64Type},
};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{
    ColumnarValue, Expr, ScalarUDF, Volatility, create_udf, expr::ScalarFunction, lit, when,
};

/// The functions, as the errors and the documentation list them.
pub(super) const NAMES: [&str; 12] = [
    "abs", "ceil", "coalesce", "exp", "floor", "greatest", "least", "ln", "nullif", "power", "round", "sqrt",
];

/// Functions of SQL whose answer depends on the clock or on chance.
pub(super) const VOLATILE: [&str; 12] = [
    "now",
    "random",
    "rand",
    "uuid",
    "gen_random_uuid",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
    "today",
    "version",
];

/// Functions of SQL over many rows.
pub(super) const OVER_ROWS: [&str; 30] = [
    "avg",
    "mean",
    "min",
    "max",
    "sum",
    "count",
    "median",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "var",
    "var_samp",
    "var_pop",
    "corr",
    "first_value",
    "last_value",
    "nth_value",
    "lag",
    "lead",
    "rank",
    "dense_rank",
    "row_number",
    "ntile",
    "percent_rank",
    "array_agg",
    "bool_and",
    "bool_or",
    "every",
    "any",
    "regr_slope",
];

/// A function of one number, by its name.
fn unary(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "exp" => f64::exp,
        "floor" => f64::floor,
        "ln" => f64::ln,
        "round" => f64::round,
        "sqrt" => f64::sqrt,
        _ => return None,
    })
}

/// What a function takes, in words; `None`: there is no such function.
pub(super) fn arguments(name: &str) -> Option<(std::ops::RangeInclusive<usize>, &'static str)> {
    Some(match name {
        "power" | "nullif" => (2..=2, "two arguments"),
        "coalesce" | "greatest" | "least" => (2..=16, "two to sixteen arguments"),
        _ => {
            unary(name)?;
            (1..=1, "one argument")
        }
    })
}

/// A call of one of [`NAMES`] with as many arguments as it takes, all numbers, or for `coalesce` and
/// `nullif` all conditions; `null` is the NULL of their kind.
pub(super) fn call(name: &str, mut args: Vec<Expr>, null: ScalarValue) -> Result<Expr> {
    if let Some(f) = unary(name) {
        return Ok(apply(name, args, move |x| f(x[0])));
    }
    match name {
        "power" => Ok(apply(name, args, |x| x[0].powf(x[1]))),
        // Unknown ones are left out, as in PostgreSQL: it is unknown only where all are.
        "greatest" => Ok(apply_known(name, args, |a, b| a.max(b))),
        "least" => Ok(apply_known(name, args, |a, b| a.min(b))),
        "nullif" => {
            let (b, a) = (args.pop(), args.pop());
            let (Some(a), Some(b)) = (a, b) else { return exec_err!("nullif takes two arguments") };
            when(a.clone().eq(b), lit(null)).otherwise(a)
        }
        "coalesce" => {
            let Some(last) = args.pop() else { return exec_err!("coalesce takes arguments") };
            args.into_iter()
                .rev()
                .try_fold(last, |rest, arg| when(arg.clone().is_not_null(), arg).otherwise(rest))
        }
        _ => exec_err!("there is no such function"),
    }
}

/// The number, or unknown where it is none.
pub(super) fn finite(number: Expr) -> Expr {
    apply("finite", vec![number], |x| x[0])
}

/// A function of numbers that are all known.
fn apply(name: &str, args: Vec<Expr>, f: impl Fn(&[f64]) -> f64 + Send + Sync + 'static) -> Expr {
    let row = move |x: &[Option<f64>]| {
        let mut known = [0.0; 2];
        for (slot, x) in known.iter_mut().zip(x) {
            *slot = (*x)?;
        }
        Some(f(&known[..x.len().min(2)]))
    };
    rowwise(name, args, row)
}

/// The known numbers, put together two by two.
fn apply_known(name: &str, args: Vec<Expr>, f: impl Fn(f64, f64) -> f64 + Send + Sync + 'static) -> Expr {
    rowwise(name, args, move |x| x.iter().flatten().copied().reduce(&f))
}

/// A kernel of one row at a time. What is no finite number becomes unknown.
fn rowwise(
    name: &str,
    args: Vec<Expr>,
    row: impl Fn(&[Option<f64>]) -> Option<f64> + Send + Sync + 'static,
) -> Expr {
    let kernel = move |args: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(args)?;
        let columns: Vec<&Float64Array> =
            arrays.iter().filter_map(|a| a.as_primitive_opt::<Float64Type>()).collect();
        let rows = columns.first().map_or(0, |c| arrow::array::Array::len(*c));
        let mut values = vec![None; columns.len()];
        let out: Float64Array = (0..rows)
            .map(|i| {
                for (value, column) in values.iter_mut().zip(&columns) {
                    *value = arrow::array::Array::is_valid(*column, i).then(|| column.value(i));
                }
                row(&values).filter(|x| x.is_finite())
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(out) as ArrayRef))
    };
    let types = vec![DataType::Float64; args.len()];
    let udf: ScalarUDF = create_udf(name, types, DataType::Float64, Volatility::Immutable, Arc::new(kernel));
    Expr::ScalarFunction(ScalarFunction::new_udf(Arc::new(udf), args))
}
