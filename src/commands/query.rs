//! `bedwatch query`: questions to an archive.

use std::{collections::BTreeMap, fs::File, io::BufWriter, path::PathBuf};

use anyhow::{Context, bail};
use bedwatch_schemas::time::EventTime;
use datafusion::common::ScalarValue;

use crate::{
    archive::query::{self, Format, Session},
    terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// SQL, or the name of a ready question.
    #[arg(required_unless_present = "list")]
    question: Option<String>,
    /// The archive's folder.
    #[arg(long, value_name = "DIR", required_unless_present = "list")]
    archive: Option<PathBuf>,
    /// The form of the answer.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only what was known by then, as RFC 3339: `2026-11-24T03:12:00Z`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    as_of: Option<EventTime>,
    /// A value for `$NAME` in the question; several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    parameters: Vec<(String, String)>,
    /// A file for the answer, in place of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Lists the ready questions.
    #[arg(long)]
    list: bool,
}

fn moment(text: &str) -> Result<EventTime, String> {
    EventTime::parse_rfc3339(text)
        .map_err(|_| "write a time with its zone, as 2026-11-24T03:12:00Z".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim_start_matches('$').to_owned(), value.to_owned()))
}

/// Stack of each thread that plans: a planner descends into a question as deep as it is nested, and the
/// longest question allowed must not end the process. Only what is used is taken from memory.
const STACK: usize = 256 << 20;

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    if args.list {
        list();
        return Ok(());
    }
    let (Some(question), Some(folder)) = (&args.question, &args.archive) else {
        bail!("a question and --archive are needed");
    };
    let given: BTreeMap<String, String> = args.parameters.iter().cloned().collect();
    let (sql, values) = asked(question, &given)?;
    let threads = super::cores();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    let answer = || async {
        let session = Session::open(folder, args.as_of, threads).await?;
        let plan = session.ask(&sql, &values).await?;
        match &args.out {
            None => drop(query::write(plan, args.format, &mut terminal::out()).await?),
            Some(path) => {
                let file =
                    File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
                let told = query::write(plan, args.format, &mut BufWriter::new(file)).await?;
                terminal::note(&format!("{} rows in {}", told.rows, path.display()));
            }
        }
        anyhow::Ok(())
    };
    std::thread::scope(|scope| {
        let planner = std::thread::Builder::new().name("query".to_owned()).stack_size(STACK);
        let planner = planner.spawn_scoped(scope, || runtime.block_on(answer()))?;
        planner.join().map_err(|_| anyhow::anyhow!("the query engine panicked"))?
    })
}

/// The SQL of a question and the values of its parameters: of one word it is a ready question's name.
fn asked(
    question: &str,
    given: &BTreeMap<String, String>,
) -> Result<(String, BTreeMap<String, ScalarValue>), query::Error> {
    let is_name = question.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_name {
        let ready = query::ready(&question.replace('-', "_"))?;
        return Ok((ready.sql.to_owned(), ready.values(given)?));
    }
    let values = given.iter().map(|(k, v)| (k.clone(), ScalarValue::from(v.as_str()))).collect();
    Ok((question.to_owned(), values))
}

fn list() {
    for ready in query::shelf() {
        terminal::result(&format!("{}\n    {}", ready.name, ready.words));
        for p in &ready.parameters {
            let default = match p.default {
                Some("") => "; optional".to_owned(),
                Some(value) => format!("; {value} where it is not given"),
                None => String::new(),
            };
            terminal::result(&format!("    --param {}=...   {}{default}", p.name, p.words));
        }
    }
}
