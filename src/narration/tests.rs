use std::sync::mpsc;

use bedwatch_alerts::{
    draft::{Draft, Reasons},
    policy::Decision,
};
use bedwatch_features::PatientState;
use bedwatch_schemas::{
    alert::{AlertKind, Phase},
    ids::PatientId,
    rationale::RationaleSource,
    time::EventTime,
};

use super::*;
use crate::clock::SystemClock;

/// A message of the only episode of a patient.
fn message(patient: &str, sequence: u32, priority: Priority, clock: &SystemClock) -> Output {
    let patient = PatientId::new(patient).unwrap();
    let onset = EventTime::from_millis(1_700_000_000_000);
    let decision = Decision {
        id: AlertId::of(&patient, AlertKind::Shock, "", onset),
        kind: AlertKind::Shock,
        modality: None,
        phase: if sequence == 0 { Phase::Raised } else { Phase::Updated },
        priority,
        onset,
        sequence,
        primary: None,
        escalations: 0,
        feedback: Vec::new(),
    };
    let frame = PatientState::new(patient, &bedwatch_features::Config::default()).frame(onset);
    let draft = Draft::compose(&decision, &frame, None, Reasons::default(), "c");
    Output { draft, triggered: clock.now(), embedding: Vec::new() }
}

/// A narrator that tells its first message and then waits to be let on; what it told, and the lever.
struct Held {
    narration: Narration,
    told: mpsc::Receiver<Told>,
    on: mpsc::Sender<()>,
    clock: Arc<SystemClock>,
}

impl Held {
    fn new(capacity: usize) -> Self {
        let clock = Arc::new(SystemClock::default());
        let (tell, told) = mpsc::channel();
        let (on, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(Some(wait));
        let done = move |one: Told| {
            let worker = std::thread::current().name() == Some("narrator");
            tell.send(one).unwrap();
            let wait = if worker { wait.lock().unwrap().take() } else { None };
            if let Some(wait) = wait {
                let _ = wait.recv();
            }
        };
        let config = Config { deadline: Span::hours(1), capacity };
        let writer = Arc::new(Writer::new(None));
        let narration = Narration::start(writer, clock.clone(), config, Arc::new(done)).unwrap();
        Self { narration, told, on, clock }
    }

    fn submit(&self, patient: &str, sequence: u32, priority: Priority) {
        self.narration.submit(message(patient, sequence, priority, &self.clock));
    }

    /// The next message told: patient, sequence, whether the queue was full.
    fn next(&self) -> (String, u32, bool) {
        let alert = self.told.recv().unwrap().alert;
        let full = alert.rationale.source == RationaleSource::Template(TemplateReason::QueueFull);
        (alert.patient.as_str().to_owned(), alert.sequence, full)
    }
}

fn said(patient: &str, sequence: u32, full: bool) -> (String, u32, bool) {
    (patient.to_owned(), sequence, full)
}

#[test]
fn a_full_queue_lets_a_message_leave_at_once_but_never_before_an_earlier_one_of_its_episode() {
    use Priority::{High, Low, Medium};
    let held = Held::new(1);
    held.submit("a", 0, Low);
    assert_eq!(held.next(), said("a", 0, false), "is being told, and holds the thread");
    held.submit("b", 0, Low); // waits: the queue is full now
    held.submit("c", 0, Medium);
    assert_eq!(held.next(), said("c", 0, true));
    held.submit("a", 1, High); // behind the one that is being told
    held.submit("b", 1, Medium); // behind the one that waits
    held.submit("d", 0, Low);
    assert_eq!(held.next(), said("d", 0, true), "and not one of a's or b's");
    held.on.send(()).unwrap();
    let rest = [held.next(), held.next(), held.next()];
    assert_eq!(rest, [said("a", 1, false), said("b", 0, false), said("b", 1, false)]);
    held.narration.drain();
    assert_eq!(held.narration.outstanding(), 0);
}

#[test]
fn the_most_urgent_goes_first_and_draws_its_episode_along() {
    use Priority::{High, Low, Medium};
    let held = Held::new(16);
    held.submit("first", 0, Low);
    held.next();
    for (patient, sequence, priority) in
        [("low", 0, Low), ("grows", 0, Low), ("medium", 0, Medium), ("grows", 1, High), ("grows", 2, Low)]
    {
        held.submit(patient, sequence, priority);
    }
    held.on.send(()).unwrap();
    let order: Vec<_> = (0..5).map(|_| held.next()).collect();
    let want = [("grows", 0), ("grows", 1), ("grows", 2), ("medium", 0), ("low", 0)];
    assert_eq!(order, want.map(|(patient, sequence)| said(patient, sequence, false)));
}
