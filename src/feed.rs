//! Sends the simulated ward into Kafka: its history as fast as the reader follows, then in real time.

use std::time::Duration;

use bedwatch_ingest::kafka::{headers::Headers, sink::Sink};
use bedwatch_replay_data::simulator::{Ward, WardRecord};
use bedwatch_schemas::time::{EventTime, Span};

use crate::clock::Clock;

/// Time left for the history before the live part begins, at least and for every hour of a bed. What is
/// not read by then comes in one burst, of which the embedded broker keeps only a part.
const LEAD: Span = Span::secs(8);
const LEAD_OF_BED_HOUR: Span = Span::millis(150);
/// The history is sent in slices of this length, so that the reader can be waited for.
const SLICE: Span = Span::minutes(10);
/// Bytes sent between two looks at the reader.
const CHUNK: usize = 128 << 10;
/// How long the broker may take to have the first marks.
const FLUSH: Duration = Duration::from_secs(10);
/// How often live records are sent.
const PULSE: Duration = Duration::from_millis(10);

/// When the live part begins: a whole second, a little ahead.
#[must_use]
pub fn live_start(clock: &dyn Clock, beds: usize, history: Span) -> EventTime {
    let foreseen = Span((LEAD_OF_BED_HOUR.0 as f64 * beds as f64 * history.as_hours_f64()) as i64);
    (clock.now().as_event_time() + LEAD.max(foreseen)).floor(Span::secs(1))
}

/// Sends the `history` before `start`, with marks of how far every stream has come; `pause` is called with the sizes of the records sent since the
/// last call, at least every [`CHUNK`] bytes.
///
/// # Errors
/// When the sink refuses or `pause` fails.
pub fn history(
    ward: &mut Ward,
    start: EventTime,
    history: Span,
    sink: &Sink,
    pause: &mut dyn FnMut(&[usize]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let (mut sent, mut out) = (0, Vec::new());
    let mut until = start - history;
    // Before any record: no stream is at its end because it has not begun.
    sink.mark(until.as_arrival_time().as_millis())?;
    sink.flush(FLUSH)?;
    while until < start {
        until = (until + SLICE).min(start);
        out.clear();
        ward.next_until(until, &mut out);
        let mut sizes = Vec::new();
        for record in &out {
            send(sink, record)?;
            sizes.push(record.payload.len());
            if sizes.iter().sum::<usize>() > CHUNK {
                sink.mark(record.at.as_millis())?;
                pause(&sizes)?;
                sizes.clear();
            }
            sent += 1;
        }
        sink.mark(until.as_arrival_time().as_millis())?;
        pause(&sizes)?;
    }
    Ok(sent)
}

/// Sends the live part at its time, until `end` or until `stop` says so.
///
/// # Errors
/// When the sink refuses.
pub fn live(
    ward: &mut Ward,
    start: EventTime,
    end: EventTime,
    sink: &Sink,
    clock: &dyn Clock,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<u64> {
    let (mut sent, mut out) = (0, Vec::new());
    let mut until = start;
    while until < end && !stop() {
        std::thread::sleep(PULSE);
        until = clock.now().as_event_time().min(end).max(until);
        out.clear();
        ward.next_until(until, &mut out);
        for record in &out {
            send(sink, record)?;
            sent += 1;
        }
    }
    Ok(sent)
}

fn send(sink: &Sink, record: &WardRecord) -> anyhow::Result<()> {
    let topic = sink.topics().input(record.stream).to_owned();
    let at = Some(record.at.as_millis());
    sink.send(&topic, Some(record.key.as_str()), &record.payload, Headers::new(), at)?;
    Ok(())
}
