//! The fusion of modalities: the encoder's view of the hours, joined by what minutes, EEG, beats, sensor
//! glucose and coded events say, each through an encoder of its own, by gated cross-modal attention.
//!
//! Contract "moment-v1". What the model is given is what a [`Recent`] holds, unchanged: normalisation
//! stands in the graph. A modality that is not there is masked; where none is there the fused embedding is
//! the encoder's, to the bit. A head states which modalities it `needs`, and says nothing without them.

use std::collections::BTreeMap;

use bedwatch_schemas::{
    medication::{Drug, InfusionAction},
    recent::{Code, MAX_EVENTS, Recent, Track},
    risk::{Head, ModelRef, Risk},
    signal::Signal,
    time::EventTime,
};
use ort::{
    session::{Session, SessionInputValue},
    value::Tensor,
};
use serde::Deserialize;

use crate::{
    bundle::{self, Bundle},
    encoder::heads::{self, Heads, One},
    neighbours::{self, Exemplars},
    pool::Pool,
    runtime::{self, Runtime},
};

pub(crate) mod edit;

/// The input contract this engine builds.
const CONTRACT: &str = "moment-v1";
const OUTPUTS: [&str; 3] = ["logits", "embedding", "gates"];
/// Value, whether there is one, hours since.
const EVENT_NUMBERS: usize = 3;

/// Why a moment has no fused risk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] bundle::Error),
    /// ONNX Runtime refused.
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    /// The manifest's heads cannot be used.
    #[error("the fusion's heads are unusable: {0}")]
    Heads(#[from] heads::Error),
    /// The bundle's exemplars cannot be used.
    #[error(transparent)]
    Neighbours(#[from] neighbours::Error),
    /// The contract is another.
    #[error("the fusion's input contract is {0:?}; this engine builds \"moment-v1\"")]
    Contract(String),
    /// A track has another shape than this engine's.
    #[error("the fusion reads {found} as track {name:?}, and this engine gives {wanted}")]
    Track {
        /// The track.
        name: String,
        /// The manifest's rows and columns.
        found: String,
        /// This engine's.
        wanted: String,
    },
    /// A head needs a modality that does not exist.
    #[error("the fusion's head {head} needs {need:?}, which is no modality")]
    Need {
        /// The head.
        head: String,
        /// What it needs.
        need: String,
    },
    /// A code of the manifest is none of this engine's, or stands twice.
    #[error("the fusion's code {0:?} is unknown or stands twice")]
    Code(String),
    /// It was trained beside another encoder.
    #[error("the fusion was trained beside {wanted}, and the encoder in force is {found}")]
    Encoder {
        /// The one it was trained beside.
        wanted: String,
        /// The one in force.
        found: String,
    },
    /// The model's outputs have another shape than the manifest says.
    #[error("the fusion's output {output} has {found} numbers, and {wanted} are wanted")]
    Shape {
        /// The output.
        output: &'static str,
        /// Its numbers.
        found: usize,
        /// The numbers wanted.
        wanted: usize,
    },
    /// The model gave a number that is not finite.
    #[error("the fusion gave a number that is not finite")]
    NotFinite,
}

/// The fusion's own part of the manifest.
#[derive(Debug, Deserialize)]
struct Spec {
    contract: String,
    encoder: String,
    encoder_version: String,
    embedding_size: usize,
    tracks: Vec<TrackSpec>,
    codes: Vec<String>,
    heads: Vec<HeadSpec>,
    neighbours: Option<neighbours::Spec>,
}

#[derive(Debug, Deserialize)]
struct TrackSpec {
    name: String,
    rows: usize,
    columns: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct HeadSpec {
    #[serde(flatten)]
    spec: heads::Spec,
    #[serde(default)]
    needs: Vec<String>,
}

/// A modality beside the hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Modality {
    /// One with rows of equal length in time.
    Track(Track),
    /// Coded events.
    Events,
}

impl Modality {
    /// Every modality, in the order of [`Fused::gates`].
    pub const ALL: [Modality; Track::COUNT + 1] = [
        Self::Track(Track::Minutes),
        Self::Track(Track::Eeg),
        Self::Track(Track::Cardiac),
        Self::Track(Track::Glucose),
        Self::Events,
    ];

    /// The snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Track(track) => track.name(),
            Self::Events => "events",
        }
    }

    fn is_in(self, recent: &Recent) -> bool {
        match self {
            Self::Track(track) => recent.has(track),
            Self::Events => !recent.events.is_empty(),
        }
    }
}

/// The fusion. Shared by threads: each call takes one session of the pool.
pub struct Fusion {
    model: ModelRef,
    encoder: ModelRef,
    heads: Heads,
    needs: BTreeMap<Head, Vec<Modality>>,
    codes: BTreeMap<Code, i64>,
    embedding_size: usize,
    exemplars: Option<Exemplars>,
    sessions: Pool<Session>,
}

/// What the fusion says of a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Fused {
    /// The risks of the heads whose modalities are there, in the order of [`Head::ALL`].
    pub risks: Vec<Risk>,
    /// The joint view, of the size of the encoder's.
    pub embedding: Vec<f32>,
    /// How far each of [`Modality::ALL`] was let in, 0 to 1; 0 where it is not there.
    pub gates: Vec<f32>,
}

/// The graph's answer.
struct Answer {
    logits: Vec<f32>,
    embedding: Vec<f32>,
    gates: Vec<f32>,
}

impl std::fmt::Debug for Fusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fusion").field("model", &self.model).finish_non_exhaustive()
    }
}

impl Fusion {
    /// Loads a bundle of kind `fusion` into `sessions` sessions (at least 1) of one thread each, beside
    /// the encoder in force.
    ///
    /// # Errors
    /// When the bundle is no fusion of a contract this engine builds, a part of its manifest cannot be
    /// used, it was trained beside another encoder, or it does not load.
    pub fn load(
        runtime: &Runtime,
        bundle: &Bundle,
        sessions: usize,
        encoder: &ModelRef,
    ) -> Result<Self, Error> {
        let spec: Spec = bundle.read("fusion")?;
        if spec.contract != CONTRACT {
            return Err(Error::Contract(spec.contract));
        }
        let trained_beside = ModelRef { name: spec.encoder, version: spec.encoder_version };
        if trained_beside != *encoder {
            let words = |m: &ModelRef| format!("{} {}", m.name, m.version);
            return Err(Error::Encoder { wanted: words(&trained_beside), found: words(encoder) });
        }
        check_tracks(&spec.tracks)?;
        let needs = spec.heads.iter().map(needs).collect::<Result<_, _>>()?;
        let size = spec.embedding_size;
        let exemplars = spec.neighbours.map(|n| Exemplars::load(bundle, &n, size)).transpose()?;
        let specs: Vec<heads::Spec> = spec.heads.into_iter().map(|h| h.spec).collect();
        let onnx = bundle.file(&bundle.manifest().onnx.file)?;
        let workers =
            (0..sessions.max(1)).map(|_| runtime.session(onnx, 1)).collect::<Result<Vec<_>, _>>()?;
        let fusion = Self {
            model: bundle.model(),
            encoder: trained_beside,
            heads: Heads::new(&specs, heads::ANY_SITE)?,
            needs,
            codes: codes(&spec.codes)?,
            embedding_size: size,
            exemplars,
            sessions: Pool::new(workers),
        };
        // What does not run is refused at the start and not at the bedside.
        let nothing = vec![0.0; fusion.embedding_size];
        fusion.run(&nothing, &Recent::default(), EventTime::from_micros(0))?;
        Ok(fusion)
    }

    /// The bundle's name and version.
    #[must_use]
    pub fn model(&self) -> &ModelRef {
        &self.model
    }

    /// The encoder it was trained beside.
    #[must_use]
    pub fn encoder(&self) -> &ModelRef {
        &self.encoder
    }

    /// The bundle's simulated stretches in the joint view, if it has any.
    #[must_use]
    pub fn exemplars(&self) -> Option<&Exemplars> {
        self.exemplars.as_ref()
    }

    /// Whether it has a head, its modalities there or not.
    #[must_use]
    pub fn has(&self, head: Head) -> bool {
        self.heads.get(head).is_some()
    }

    /// A head whose modalities are there.
    pub(crate) fn head(&self, head: Head, recent: &Recent) -> Option<&One> {
        self.heads.get(head).filter(|_| self.speaks(head, recent))
    }

    /// What a head says, whether or not what it needs is there.
    pub(crate) fn probability(
        &self,
        head: &One,
        embedding: &[f32],
        recent: &Recent,
        at: EventTime,
    ) -> Result<f32, Error> {
        Ok(head.probability(&self.run(embedding, recent, at)?.logits))
    }

    /// Joins the encoder's embedding of a frame at `at` with what is recent.
    ///
    /// # Errors
    /// When the model does not run or gives no finite number.
    pub fn assess(&self, embedding: &[f32], recent: &Recent, at: EventTime) -> Result<Fused, Error> {
        let Answer { logits, embedding, gates } = self.run(embedding, recent, at)?;
        let mut risks = self.heads.risks(&logits);
        risks.retain(|risk| self.speaks(risk.head, recent));
        Ok(Fused { risks, embedding, gates })
    }

    /// Whether any head has what it needs: without, a pass gives the joint view and no risk.
    #[must_use]
    pub fn has_a_say(&self, recent: &Recent) -> bool {
        self.needs.keys().any(|head| self.speaks(*head, recent))
    }

    /// Whether everything a head needs is there.
    fn speaks(&self, head: Head, recent: &Recent) -> bool {
        self.needs.get(&head).is_some_and(|needs| needs.iter().all(|m| m.is_in(recent)))
    }

    fn run(&self, embedding: &[f32], recent: &Recent, at: EventTime) -> Result<Answer, Error> {
        let mut session = self.sessions.take();
        let failed = |e: ort::Error| runtime::Error::Run(e.to_string());
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(Track::COUNT + 3);
        let hour = Tensor::from_array(([1, embedding.len()], embedding.to_vec())).map_err(failed)?;
        inputs.push(("hour", hour.into()));
        for track in Track::ALL {
            let shape = [1, track.rows(), 2 * track.columns().len()];
            let values = masked(track, recent.track(track));
            inputs.push((track.name(), Tensor::from_array((shape, values)).map_err(failed)?.into()));
        }
        let (codes, numbers) = self.events(recent, at);
        let codes = Tensor::from_array(([1, MAX_EVENTS], codes)).map_err(failed)?;
        let numbers = Tensor::from_array(([1, MAX_EVENTS, EVENT_NUMBERS], numbers)).map_err(failed)?;
        inputs.extend([("event_codes", codes.into()), ("events", numbers.into())]);
        let outputs = session.run(inputs).map_err(failed)?;
        let read = |output: &'static str, wanted: usize| -> Result<Vec<f32>, Error> {
            let value = outputs.get(output).ok_or(Error::Shape { output, found: 0, wanted })?;
            let (_, data) = value.try_extract_tensor::<f32>().map_err(failed)?;
            if data.len() != wanted {
                return Err(Error::Shape { output, found: data.len(), wanted });
            }
            if data.iter().all(|x| x.is_finite()) { Ok(data.to_vec()) } else { Err(Error::NotFinite) }
        };
        let [logits, joint, gates] = OUTPUTS;
        Ok(Answer {
            logits: read(logits, self.heads.outputs())?,
            embedding: read(joint, self.embedding_size)?,
            gates: read(gates, Modality::ALL.len())?,
        })
    }

    /// Codes and numbers of the events the model knows, newest last; 0 where there is none.
    fn events(&self, recent: &Recent, at: EventTime) -> (Vec<i64>, Vec<f32>) {
        let (mut codes, mut numbers) = (vec![0; MAX_EVENTS], vec![0.0; MAX_EVENTS * EVENT_NUMBERS]);
        let known = recent.events.iter().rev().filter_map(|e| Some((e, *self.codes.get(&e.code)?)));
        for (place, (event, code)) in (0..MAX_EVENTS).rev().zip(known) {
            codes[place] = code;
            let value = event.value.filter(|v| v.is_finite());
            let ago = at.since(event.at).as_hours_f64() as f32;
            let of = &mut numbers[place * EVENT_NUMBERS..(place + 1) * EVENT_NUMBERS];
            of.copy_from_slice(&[value.unwrap_or(0.0), f32::from(u8::from(value.is_some())), ago]);
        }
        (codes, numbers)
    }
}

/// A track's rows, each its values (0 where missing) and then its masks.
fn masked(track: Track, values: &[f32]) -> Vec<f32> {
    let columns = track.columns().len();
    let mut out = vec![0.0; track.rows() * 2 * columns];
    for (row, of) in values.chunks_exact(columns).zip(out.chunks_exact_mut(2 * columns)) {
        let (here, masks) = of.split_at_mut(columns);
        for ((value, here), mask) in row.iter().zip(here).zip(masks) {
            if value.is_finite() {
                (*here, *mask) = (*value, 1.0);
            }
        }
    }
    out
}

/// Rows and columns must be this engine's, in its order.
fn check_tracks(specs: &[TrackSpec]) -> Result<(), Error> {
    let words = |rows: usize, columns: &[&str]| format!("{rows} rows of [{}]", columns.join(", "));
    for (i, track) in Track::ALL.into_iter().enumerate() {
        let wanted = words(track.rows(), track.columns());
        let found = specs
            .get(i)
            .filter(|s| s.name == track.name())
            .map(|s| words(s.rows, &s.columns.iter().map(String::as_str).collect::<Vec<_>>()));
        if found.as_deref() != Some(wanted.as_str()) {
            let found = found.unwrap_or_else(|| "nothing".to_owned());
            return Err(Error::Track { name: track.name().to_owned(), found, wanted });
        }
    }
    Ok(())
}

fn needs(head: &HeadSpec) -> Result<(Head, Vec<Modality>), Error> {
    let name = head.spec.name();
    let of = Head::ALL.into_iter().find(|h| h.name() == name);
    let of = of.ok_or_else(|| heads::Error::Unknown(name.to_owned()))?;
    let modality = |need: &String| {
        let found = Modality::ALL.into_iter().find(|m| m.name() == need);
        found.ok_or_else(|| Error::Need { head: name.to_owned(), need: need.clone() })
    };
    Ok((of, head.needs.iter().map(modality).collect::<Result<_, _>>()?))
}

/// Every code the engine can give.
fn every_code() -> impl Iterator<Item = Code> {
    const ACTIONS: [InfusionAction; 4] =
        [InfusionAction::RateSet, InfusionAction::Stopped, InfusionAction::Given, InfusionAction::NotGiven];
    let results = Signal::ALL.iter().copied().map(Code::Result);
    let drugs = Drug::ALL.into_iter().flat_map(|drug| ACTIONS.map(|action| Code::Drug(drug, action)));
    results.chain(drugs)
}

/// The numbers of the codes: their place in the manifest's list, from 1.
fn codes(names: &[String]) -> Result<BTreeMap<Code, i64>, Error> {
    let known: BTreeMap<String, Code> = every_code().map(|code| (code.name(), code)).collect();
    let mut numbers = BTreeMap::new();
    for (number, name) in (1..).zip(names) {
        let code = known.get(name).ok_or_else(|| Error::Code(name.clone()))?;
        if numbers.insert(*code, number).is_some() {
            return Err(Error::Code(name.clone()));
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests;
