//! `bedwatch gateway`: receivers of HL7 v2 and FHIR, without an engine.

use std::{path::PathBuf, sync::Arc};

use crate::{
    clock::{Clock, SystemClock},
    config::Config,
    gateway::Gateway,
    http,
    metrics::Metrics,
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
    /// Address for HL7 v2 over MLLP; `off` for none.
    #[arg(long, value_name = "ADDRESS")]
    mllp: Option<String>,
    /// Address for FHIR; `off` for none.
    #[arg(long, value_name = "ADDRESS")]
    fhir: Option<String>,
    /// Address of metrics and health; `off` for none.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let mut config = super::load_config(args.config.as_ref())?;
    if let Some(bootstrap) = &args.kafka {
        config.kafka.bootstrap.clone_from(bootstrap);
    }
    let own = &mut config.gateway;
    for (given, place) in [
        (&args.mllp, &mut own.mllp.listen),
        (&args.fhir, &mut own.fhir.listen),
        (&args.listen, &mut config.http.listen),
    ] {
        if let Some(address) = given {
            *place = if address == "off" { String::new() } else { address.clone() };
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let metrics = Arc::new(Metrics::new());
    let gateway = start(&runtime, &config, clock, &metrics)?;
    if !config.http.listen.is_empty() {
        let ready = gateway.readiness();
        let bound = runtime.block_on(http::serve_health(&config.http.listen, metrics, ready))?;
        terminal::note(&format!("metrics and health on http://{bound}/"));
    }
    runtime.block_on(super::run::stopped());
    terminal::note("stopping: answering what has been taken");
    runtime.block_on(gateway.stop());
    Ok(())
}

/// Starts the receivers and says where they listen.
pub(super) fn start(
    runtime: &tokio::runtime::Runtime,
    config: &Config,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
) -> anyhow::Result<Gateway> {
    let gateway = runtime.block_on(Gateway::start(config, clock, metrics.registry()))?;
    let how = if config.gateway.tls.is_on() { " with TLS" } else { "" };
    if let Some(address) = gateway.mllp {
        terminal::note(&format!("HL7 v2 over MLLP on {address}{how}"));
    }
    if let Some(address) = gateway.fhir {
        terminal::note(&format!("FHIR on {address}{how}"));
    }
    Ok(gateway)
}
