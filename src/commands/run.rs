//! `bedwatch run`: live against Kafka.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    board::Board,
    clock::{Clock, SystemClock},
    config::Config,
    http,
    live::{Health, Live, Shared},
    metrics::Metrics,
    setup,
    sinks::{Hub, Sinks},
    terminal,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long)]
    config: Option<PathBuf>,
    /// The broker, in place of the configuration's.
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// Address of the ward page, metrics and health; `off` for none.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Ends after the topics have been read to their ends and everything is decided.
    #[arg(long, hide = true)]
    until_idle: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = super::load_config(args.config.as_ref())?;
    if let Some(bootstrap) = &args.kafka {
        config.kafka.bootstrap.clone_from(bootstrap);
    }
    if let Some(listen) = &args.listen {
        config.http.listen = if listen == "off" { String::new() } else { listen.clone() };
    }
    terminal::note(bedwatch_schemas::NOTICE);
    let models = setup::models(&config)?;
    let shared = shared(Arc::new(|told| terminal::alert(terminal::Lines::Stdout, &told.alert)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    serve(&runtime, &config, &shared)?;
    let gateway = match config.gateway.enabled {
        true => Some(super::gateway::start(&runtime, &config, shared.clock.clone(), &shared.metrics)?),
        false => None,
    };
    let sinks = {
        let _within = runtime.enter();
        Sinks::start(&config, &shared.clock, shared.metrics.registry())?
    };
    if !sinks.names().is_empty() {
        terminal::note(&format!("alerts also go to {}", sinks.names().join(", ")));
    }
    let live = Live::start(&config, models, shared.clone())?;
    terminal::note(&format!(
        "reading {} from Kafka at {}",
        config.kafka.topics.all()[..6].join(", "),
        config.kafka.bootstrap
    ));
    let stop = shared.stop.clone();
    runtime.spawn(async move {
        stopped().await;
        terminal::note("stopping: finishing what has been decided");
        stop.store(true, Ordering::Relaxed);
    });
    if args.until_idle {
        runtime.spawn(until_idle(shared.clone()));
    }
    let summary = live.run()?;
    if let Some(gateway) = gateway {
        runtime.block_on(gateway.stop());
    }
    runtime.block_on(sinks.stop());
    terminal::note(&format!(
        "{} records, {} dead letters",
        summary.counters.records.values().sum::<u64>(),
        summary.counters.dead_letters
    ));
    Ok(())
}

/// Interrupt or termination, whichever comes first.
pub(super) async fn stopped() {
    let mut term = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(term) => term,
        Err(error) => {
            tracing::error!(%error, "SIGTERM cannot be heard");
            return std::future::pending().await;
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

/// Ends the loop once it is ready and no record has come for two seconds.
async fn until_idle(shared: Shared) {
    let mut last = None;
    loop {
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let folded = shared.folded.load(Ordering::Relaxed);
        if shared.health.unready().is_none() && folded > 0 && last == Some(folded) {
            shared.stop.store(true, Ordering::Relaxed);
            return;
        }
        last = Some(folded);
    }
}

/// What a live loop shares, with the machine's clock.
pub(super) fn shared(on_alert: Arc<dyn Fn(&crate::narration::Told) + Send + Sync>) -> Shared {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    Shared {
        health: Arc::new(Health::new(clock.clone())),
        clock,
        metrics: Arc::new(Metrics::new()),
        board: Arc::new(Board::default()),
        folded: Arc::new(AtomicU64::new(0)),
        stop: Arc::new(AtomicBool::new(false)),
        on_alert,
    }
}

/// Starts the HTTP server unless `http.listen` is empty, and says where.
pub(super) fn serve(
    runtime: &tokio::runtime::Runtime,
    config: &Config,
    shared: &Shared,
) -> anyhow::Result<()> {
    let listen = &config.http.listen;
    if listen.is_empty() {
        return Ok(());
    }
    let state = http::Shared {
        board: shared.board.clone(),
        metrics: shared.metrics.clone(),
        health: shared.health.clone(),
        desk: Some(Arc::new(http::Desk::connect(&config.kafka, shared.clock.clone())?)),
    };
    let hub = Hub::new(config.sinks.stream.history);
    {
        let _within = runtime.enter();
        hub.follow(config)?;
    }
    let alerts = http::alerts::Alerts::new(hub, config.sinks.stream.clone(), config.sinks.cards.clone());
    let bound = runtime.block_on(http::serve_with_alerts(listen, state, alerts))?;
    terminal::note(&format!("ward page on http://{bound}/"));
    Ok(())
}
