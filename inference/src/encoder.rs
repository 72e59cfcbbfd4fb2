//! The risk encoder: frame to calibrated probabilities, and which inputs moved them.
//!
//! Frames run one by one: on a processor a batch brings nothing (measured: 1.9 ms alone, 13.9 ms
//! for eight). A probability is `sigmoid(a * logit + b)` with the head's Platt parameters ([`heads`]).
//! What is not finite is an error, never a risk. [`explain`] runs the model again on what might have
//! been.

use bedwatch_schemas::{
    frame::FeatureFrame,
    risk::{Assessment, ModelRef},
    signal::Signal,
};
use ort::{
    session::{Session, SessionOutputs},
    value::TensorRef,
};
use serde::Deserialize;

use crate::{
    bundle::{self, Bundle},
    neighbours::{self, Exemplars},
    pool::Pool,
    runtime::{self, Runtime},
    tokens::{self, Contract, Tokenizer, Tokens},
};

pub mod explain;
pub mod heads;

use heads::{ANY_SITE, Heads};

/// Why a frame has no risk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// ONNX Runtime refused.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The manifest's input cannot be built.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// The manifest's heads cannot be used.
    #[error("the encoder's heads are unusable: {0}")]
    Heads(#[from] heads::Error),
    /// The bundle's exemplars cannot be used.
    #[error(transparent)]
    Neighbours(#[from] neighbours::Error),
    /// The outputs are not those of the input's contract.
    #[error("the encoder's outputs are {found:?}, and its contract wants {wanted:?}")]
    Outputs {
        /// The manifest's.
        found: Vec<String>,
        /// The contract's.
        wanted: &'static [&'static str],
    },
    /// The out-of-distribution threshold cannot be used.
    #[error("the encoder's [ood] table is unusable: {0}")]
    Ood(&'static str),
    /// The embedding's size cannot be used.
    #[error("the encoder's embedding_size is 0")]
    Size,
    /// The fusion beside it does not run.
    #[error(transparent)]
    Fusion(#[from] Box<crate::fusion::Error>),
    /// The model's outputs have another shape than the manifest says.
    #[error("the encoder's output {output} has the shape {found:?}, and {wanted:?} is wanted")]
    Shape {
        /// The output.
        output: &'static str,
        /// Its shape; empty: there is none.
        found: Vec<i64>,
        /// The shape wanted.
        wanted: Vec<i64>,
    },
    /// The model gave a number that is not finite.
    #[error("the encoder gave a number that is not finite")]
    NotFinite,
}

/// The encoder's own part of the manifest.
#[derive(Debug, Deserialize)]
struct Spec {
    max_hours: usize,
    embedding_size: usize,
    input: tokens::Spec,
    heads: Vec<heads::Spec>,
    ood: Option<Ood>,
    neighbours: Option<neighbours::Spec>,
}

/// When a picture is unlike the training's: its distance against a quantile of familiar ones.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Ood {
    threshold: f32,
    quantile: f32,
}

/// The encoder. Shared by threads: each call takes one session of the pool.
pub struct Encoder {
    model: ModelRef,
    tokenizer: Tokenizer,
    heads: Heads,
    embedding_size: usize,
    unfamiliar_over: Option<f32>,
    exemplars: Option<Exemplars>,
    sessions: Pool<Worker>,
}

/// A session with its buffers.
struct Worker {
    session: Session,
    tokens: Tokens,
    edited: Tokens,
}

/// What one run says of the last hour.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    logits: Vec<f32>,
    embedding: Vec<f32>,
    distance: Option<f32>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Loads a bundle of kind `encoder` into `sessions` sessions (at least 1) of one thread each,
    /// with the certainty of no hospital in particular.
    ///
    /// # Errors
    /// As [`Self::load_for`].
    pub fn load(runtime: &Runtime, bundle: &Bundle, sessions: usize) -> Result<Self, Error> {
        Self::load_for(runtime, bundle, sessions, ANY_SITE)
    }

    /// The same with the certainty of one hospital: the rows of `[[heads.conformal]]` with this
    /// `site`.
    ///
    /// # Errors
    /// When the bundle is not an encoder of a contract this engine builds, a part of its manifest
    /// cannot be used, it does not know the site, or it does not load.
    pub fn load_for(runtime: &Runtime, bundle: &Bundle, sessions: usize, site: &str) -> Result<Self, Error> {
        let spec: Spec = bundle.read("encoder")?;
        let heads = Heads::new(&spec.heads, site)?;
        let tokenizer = Tokenizer::new(spec.input, spec.max_hours)?;
        if spec.embedding_size == 0 {
            return Err(Error::Size);
        }
        check_outputs(bundle, tokenizer.contract())?;
        let unfamiliar_over = unfamiliar_over(spec.ood, tokenizer.contract())?;
        let exemplars =
            spec.neighbours.map(|n| Exemplars::load(bundle, &n, spec.embedding_size)).transpose()?;
        let onnx = bundle.file(&bundle.manifest().onnx.file)?;
        let worker = || -> Result<Worker, Error> {
            let session = runtime.session(onnx, 1)?;
            Ok(Worker { session, tokens: Tokens::default(), edited: Tokens::default() })
        };
        let workers = (0..sessions.max(1)).map(|_| worker()).collect::<Result<Vec<_>, _>>()?;
        let encoder = Self {
            model: bundle.model(),
            tokenizer,
            heads,
            embedding_size: spec.embedding_size,
            unfamiliar_over,
            exemplars,
            sessions: Pool::new(workers),
        };
        encoder.try_out()?;
        Ok(encoder)
    }

    /// Runs the model once over one empty hour: what does not run is refused at the start and not
    /// at the bedside.
    fn try_out(&self) -> Result<(), Error> {
        let nothing = vec![0.0; self.tokenizer.features()];
        self.run(&mut self.sessions.take().session, &nothing).map(|_| ())
    }

    /// The bundle's name and version.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The bundle's simulated stretches, if it has any.
    #[must_use]
    pub fn exemplars(&self) -> Option<&Exemplars> {
        self.exemplars.as_ref()
    }

    /// Every signal that feeds the same variable as this one, in order of preference; empty where
    /// the model does not read it.
    #[must_use]
    pub fn sources(&self, signal: Signal) -> &[Signal] {
        let variable = self.tokenizer.variables().iter().find(|v| v.sources.contains(&signal));
        variable.map_or(&[], |v| &v.sources)
    }

    /// The tokens of a frame, as the model reads them.
    #[must_use]
    pub fn tokens(&self, frame: &FeatureFrame) -> Tokens {
        let mut tokens = Tokens::default();
        self.tokenizer.fill(frame, &mut tokens);
        tokens
    }

    /// The risks of a frame, and its embedding (`embedding_size` numbers) for other models.
    ///
    /// # Errors
    /// When the model does not run or gives no finite number.
    pub fn assess(&self, frame: &FeatureFrame) -> Result<(Assessment, Vec<f32>), Error> {
        let mut worker = self.sessions.take();
        let Worker { session, tokens, .. } = &mut *worker;
        self.tokenizer.fill(frame, tokens);
        let answer = self.run(session, &tokens.values)?;
        let assessment = Assessment {
            patient: frame.patient.clone(),
            at: frame.at,
            model: self.model.clone(),
            fusion: None,
            risks: self.heads.risks(&answer.logits),
            distance: answer.distance,
            unfamiliar: self.is_unfamiliar(answer.distance),
        };
        Ok((assessment, answer.embedding))
    }

    fn is_unfamiliar(&self, distance: Option<f32>) -> bool {
        distance.zip(self.unfamiliar_over).is_some_and(|(distance, threshold)| distance > threshold)
    }

    /// Runs the model over tokens `[1, T, F]` and reads the last hour.
    fn run(&self, session: &mut Session, tokens: &[f32]) -> Result<Answer, Error> {
        let run = |e: ort::Error| runtime::Error::Run(e.to_string());
        let features = self.tokenizer.features();
        let hours = tokens.len() / features;
        let input = TensorRef::from_array_view(([1, hours, features], tokens)).map_err(run)?;
        let outputs = session.run(ort::inputs!["tokens" => input]).map_err(run)?;
        let (every, ood) = match self.tokenizer.contract() {
            Contract::HourlyV1 => (Some(hours), false),
            Contract::HourlyV2 => (None, true),
        };
        Ok(Answer {
            logits: last_row(&outputs, "logits", every, self.heads.outputs())?,
            embedding: last_row(&outputs, "embedding", every, self.embedding_size)?,
            distance: ood.then(|| last_row(&outputs, "distance", None, 1)).transpose()?.map(|row| row[0]),
        })
    }
}

/// The contract's outputs, in their order.
fn check_outputs(bundle: &Bundle, contract: Contract) -> Result<(), Error> {
    let wanted: &'static [&'static str] = match contract {
        Contract::HourlyV1 => &["logits", "embedding"],
        Contract::HourlyV2 => &["logits", "embedding", "distance"],
    };
    let found = &bundle.manifest().onnx.outputs;
    if *found == wanted { Ok(()) } else { Err(Error::Outputs { found: found.clone(), wanted }) }
}

fn unfamiliar_over(ood: Option<Ood>, contract: Contract) -> Result<Option<f32>, Error> {
    match (ood, contract) {
        (None, Contract::HourlyV1) => Ok(None),
        (Some(_), Contract::HourlyV1) => Err(Error::Ood("contract \"hourly-v1\" has no distance")),
        (None, Contract::HourlyV2) => Err(Error::Ood("contract \"hourly-v2\" needs one")),
        (Some(ood), Contract::HourlyV2) => {
            if !ood.threshold.is_finite() {
                return Err(Error::Ood("its threshold is not finite"));
            }
            if !(ood.quantile > 0.0 && ood.quantile < 1.0) {
                return Err(Error::Ood("its quantile does not lie between 0 and 1"));
            }
            Ok(Some(ood.threshold))
        }
    }
}

/// The last hour's row of an output: of shape `[1, hours, width]`, or `[1, width]` where the model
/// answers for the last hour only.
fn last_row(
    outputs: &SessionOutputs<'_>,
    output: &'static str,
    hours: Option<usize>,
    width: usize,
) -> Result<Vec<f32>, Error> {
    let whole = |n: usize| i64::try_from(n).unwrap_or(-1);
    let wanted = match hours {
        Some(hours) => vec![1, whole(hours), whole(width)],
        None => vec![1, whole(width)],
    };
    let Some(value) = outputs.get(output) else {
        return Err(Error::Shape { output, found: Vec::new(), wanted });
    };
    let (shape, data) = value.try_extract_tensor::<f32>().map_err(|e| runtime::Error::Run(e.to_string()))?;
    if **shape != *wanted {
        return Err(Error::Shape { output, found: shape.to_vec(), wanted });
    }
    let row = data[data.len() - width..].to_vec();
    if row.iter().all(|x| x.is_finite()) { Ok(row) } else { Err(Error::NotFinite) }
}

#[cfg(test)]
mod tests;
