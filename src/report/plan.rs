//! A plan as text and as JSON.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::duration;
use super::expect::{self, Checked, Verdict};
use crate::manifest::Manifest;
use crate::manifest::matrix::Coordinate;
use crate::number::bytes;
use crate::plan::estimate::Estimate;
use crate::plan::search::Decision;
use crate::plan::{Change, Origin, Plan, Planned, Reason, State};
use crate::train::checkpoint::Reach;

/// How many differences of a stage are shown; the rest are counted.
const SHOWN: usize = 8;

/// A plan as text: one line a stage, and under it what changed. The stages of a matrix are one counted line a section,
/// unless `expand` is set.
pub fn text(plan: &Plan, manifest: &Manifest, time: &Estimate, expand: bool) -> String {
    let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0.as_str();
    let mut lines: IndexMap<&str, Vec<&Planned>> = IndexMap::new();
    for planned in &plan.stages {
        let stage = &manifest.stages[planned.stage];
        let line = if expand { name(planned.stage) } else { stage.template.as_str() };
        lines.entry(line).or_default().push(planned);
    }
    let label = |line: &str, stages: &[&Planned]| match stages {
        [one] if manifest.stages[one.stage].coordinates.is_empty() => line.to_owned(),
        [one] => name(one.stage).to_owned(),
        many => format!("{line} x {}", many.len()),
    };
    let labels: Vec<String> = lines.iter().map(|(line, stages)| label(line, stages)).collect();
    let width = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (label, stages) in labels.iter().zip(lines.values()) {
        let (told, details) = match stages[..] {
            [one] => one_stage(one, &name),
            _ => counted(stages),
        };
        out.push_str(&format!("{label:width$}  {told}\n"));
        for detail in details.iter().take(SHOWN) {
            out.push_str(&format!("{:width$}            {detail}\n", ""));
        }
        if details.len() > SHOWN {
            out.push_str(&format!("{:width$}            … and {} more\n", "", details.len() - SHOWN));
        }
    }
    out.push_str(&plan.search.as_ref().map_or(String::new(), |search| self::search(search, manifest)));
    let (cached, run, maybe) = plan.counts();
    out.push_str(&format!("{cached} cached, {run} to run, {maybe} maybe\n"));
    out.push_str(&self::time(time));
    let (asked, others) = expected(plan, manifest);
    if !asked.is_empty() || !others.is_empty() {
        let others = match others.len() {
            0 => String::new(),
            some => format!("; {some} of networks whose evaluation was not asked for"),
        };
        out.push_str(&format!("expect: {} to be checked at the end of a run{others}\n", asked.len()));
    }
    out
}

/// The bytes that a plan adds to the store and, if known, those that are free; nothing when it adds none.
pub fn disk(needs: u64, free: Option<u64>) -> String {
    let free = free.map_or(String::new(), |free| format!("; {} are free", bytes(free)));
    if needs == 0 { String::new() } else { format!("disk: up to {}{free}\n", bytes(needs)) }
}

/// How long it will take, and how far off that was so far.
pub fn time(time: &Estimate) -> String {
    if *time == Estimate::default() {
        return String::new();
    }
    let maybe = if time.maybe > 0.0 {
        format!(", and {} more of what is `maybe`", duration(time.maybe))
    } else {
        String::new()
    };
    let unknown = match time.unknown {
        0 => String::new(),
        some => format!(", without {some} of which nothing is known"),
    };
    let from = match (time.results, time.factor, time.measured) {
        (0, _, false) => "the store has no result that was made on this machine".to_owned(),
        (0, _, true) => "from a short measurement: the store has no result that was made on this machine".to_owned(),
        (_, _, true) => "mostly from a short measurement: few results in the store are of like networks".to_owned(),
        (results, None, _) => format!("from {results} results of this machine"),
        (results, Some(factor), _) => {
            format!("from {results} results of this machine; such estimates were off by a factor of {factor:.1}")
        }
    };
    format!("time: about {} with one job{maybe}{unknown} ({from})\n", duration(time.run))
}

/// What `[expect]` says of the settings that are evaluated, and of others.
fn expected(plan: &Plan, manifest: &Manifest) -> (Vec<Checked>, Vec<Checked>) {
    let stages: Vec<usize> = plan.stages.iter().map(|planned| planned.stage).collect();
    let all = expect::check(manifest, &[], &stages, plan.search.as_ref());
    all.into_iter().partition(|checked| checked.verdict != Verdict::NotAsked)
}

/// What a search has come to: a line for each choice of the axes that it does not search.
pub fn search(decision: &Decision, manifest: &Manifest) -> String {
    let words = |coordinates: &[Coordinate]| manifest.words(coordinates);
    let mut out = String::new();
    for setting in &decision.settings {
        let of = match &setting.coordinates[..] {
            [] => String::new(),
            coordinates => format!(" of {}", words(coordinates)),
        };
        let told = match &setting.found {
            None => "goes on".to_owned(),
            Some(_) if setting.all_diverged => "every candidate that was left diverged".to_owned(),
            Some(found) if found.coordinates.is_empty() => "every value loses too much accuracy".to_owned(),
            Some(found) => {
                let percent = |share: f64| format!("{:.2} %", 100.0 * share);
                let against = |reference: f64| format!(" against {}", percent(reference));
                let seen = found.seen.map_or(String::new(), |seen| {
                    format!(": {}{}", percent(seen.model()), seen.reference().map_or(String::new(), against))
                });
                format!("found {}{seen}", words(&found.coordinates))
            }
        };
        let diverged = match setting.diverged {
            0 => String::new(),
            some => format!(", {some} diverged"),
        };
        out.push_str(&format!("search{of}: {} of {} tried{diverged}; {told}\n", setting.tried, setting.of));
    }
    out
}

/// The stages that diverged when they ran, a line each.
pub fn diverged(plan: &Plan, manifest: &Manifest) -> String {
    let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0;
    plan.diverged().map(|(stage, message)| format!("{} diverged: {message}\n", name(stage))).collect()
}

/// What would happen to a stage, and what changed.
fn one_stage<'a>(planned: &Planned, name: &dyn Fn(usize) -> &'a str) -> (String, Vec<String>) {
    if let Some(same) = planned.same {
        return (format!("{:6}  its key is that of `{}`", "same", name(same)), Vec::new());
    }
    let (word, why) = match &planned.state {
        State::Cached(record) => ("cached", record.key.short()),
        State::Maybe(after) => {
            let names: Vec<String> = after.iter().map(|stage| format!("`{}`", name(*stage))).collect();
            ("maybe", format!("depends on what {} will make", names.join(", ")))
        }
        State::Open => ("maybe", "depends on what the search finds".to_owned()),
        State::Run(Reason::New) => ("run", NEW.to_owned()),
        State::Run(Reason::Gone) => ("run", GONE.to_owned()),
        State::Run(Reason::Refresh) => ("run", REFRESH.to_owned()),
        State::Run(Reason::Diverged(_)) => ("run", DIVERGED.to_owned()),
        State::Run(Reason::Changed(changes)) => ("run", summary(changes)),
    };
    let mut details = match &planned.state {
        State::Run(Reason::Changed(changes)) => changes.iter().map(line).collect(),
        State::Run(Reason::Diverged(message)) => vec![message.clone()],
        _ => Vec::new(),
    };
    if let Some(reach) = &planned.reach {
        details.insert(0, self::reach(reach));
    }
    (format!("{word:6}  {why}"), details)
}

/// What would happen to the stages of one section, and for each different reason how many have it.
fn counted(stages: &[&Planned]) -> (String, Vec<String>) {
    let (stages, same): (Vec<&Planned>, Vec<&Planned>) = stages.iter().partition(|planned| planned.same.is_none());
    let count = |which: fn(&State) -> bool| stages.iter().filter(|planned| which(&planned.state)).count();
    let counts = [
        (count(|state| matches!(state, State::Cached(_))), "cached"),
        (count(|state| matches!(state, State::Run(_))), "run"),
        (count(|state| matches!(state, State::Maybe(_) | State::Open)), "maybe"),
        (same.len(), "with the key of another"),
    ];
    let told: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let mut reasons: IndexMap<String, usize> = IndexMap::new();
    for planned in stages {
        let State::Run(reason) = &planned.state else { continue };
        let reason = match reason {
            Reason::New => NEW.to_owned(),
            Reason::Gone => GONE.to_owned(),
            Reason::Refresh => REFRESH.to_owned(),
            Reason::Diverged(_) => DIVERGED.to_owned(),
            Reason::Changed(changes) => match &changes[..] {
                [one] => line(one),
                [first, others @ ..] => format!("{}, and {} more", line(first), others.len()),
                [] => GONE.to_owned(),
            },
        };
        *reasons.entry(reason).or_default() += 1;
        if let Some(reach) = &planned.reach {
            *reasons.entry(self::reach(reach)).or_default() += 1;
        }
    }
    (told.join(", "), reasons.into_iter().map(|(reason, count)| format!("{count} x  {reason}")).collect())
}

const NEW: &str = "nothing like it is in the store";
const GONE: &str = "its result is not in the store any more";
const DIVERGED: &str = "it diverged when it ran before; a run tries it again";
const REFRESH: &str = "asked for with --refresh";

/// Which epochs of a stage that trains are there, and which were there.
fn reach(reach: &Reach) -> String {
    let Reach { after, trained, epochs } = *reach;
    let begins = match after {
        0 => format!("trains all of its {epochs} epochs"),
        _ if after == epochs => format!("has all of its {epochs} epochs"),
        _ => format!("goes on after epoch {after} of {epochs}"),
    };
    let again = match trained - after {
        0 => String::new(),
        1 => format!("; epoch {trained} is trained again, as its checkpoint is gone"),
        _ => format!("; epochs {} to {trained} are trained again, as their checkpoints are gone", after + 1),
    };
    format!("{begins}{again}")
}

fn summary(changes: &[Change]) -> String {
    match changes {
        [one] => format!("{} changed", one.field),
        many => format!("{} values changed", many.len()),
    }
}

/// One difference: `losses.0.temperature  4.0 → 2.0  pipelines/kddp.toml:31:44`.
pub fn line(change: &Change) -> String {
    let value = |value: &Option<String>| value.as_deref().map_or("nothing".to_owned(), short);
    // Where nothing is, nothing stands.
    let origin = change.new.as_ref().map_or(String::new(), |_| origin(&change.origin));
    format!("{}  {} → {}  {origin}", change.field, value(&change.old), value(&change.new)).trim_end().to_owned()
}

/// Where a value comes from: a place in the manifest, `(default)`, or nothing.
pub fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Written(place) => place.to_string(),
        Origin::Default => "(default)".to_owned(),
        Origin::Found => String::new(),
    }
}

/// Hashes are cut to what tells them apart.
pub fn short(value: &str) -> String {
    let hex = value.trim_matches('"');
    if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) { hex[..12].to_owned() } else { value.to_owned() }
}

/// A plan as one JSON object.
pub fn json(plan: &Plan, manifest: &Manifest, time: &Estimate) -> Value {
    let name = |stage: usize| manifest.stages.get_index(stage).expect("in range").0.clone();
    let state = |planned: &Planned| match &planned.state {
        State::Cached(record) => {
            json!({ "stage": name(planned.stage), "state": "cached", "key": record.key.to_string() })
        }
        State::Maybe(after) => {
            let after: Vec<String> = after.iter().map(|stage| name(*stage)).collect();
            json!({ "stage": name(planned.stage), "state": "maybe", "after": after })
        }
        State::Open => json!({ "stage": name(planned.stage), "state": "maybe", "after": ["the search"] }),
        State::Run(reason) => {
            let (word, changes) = match reason {
                Reason::New => ("new", &[][..]),
                Reason::Gone => ("gone", &[][..]),
                Reason::Refresh => ("refresh", &[][..]),
                Reason::Diverged(_) => ("diverged", &[][..]),
                Reason::Changed(changes) => ("changed", &changes[..]),
            };
            let changes: Vec<Value> = changes
                .iter()
                .map(|c| {
                    let place = match &c.origin {
                        Origin::Written(place) if c.new.is_some() => Some(place.to_string()),
                        _ => None,
                    };
                    json!({ "field": c.field, "old": c.old, "new": c.new, "place": place })
                })
                .collect();
            json!({ "stage": name(planned.stage), "state": "run", "reason": word, "changes": changes })
        }
    };
    let stage = |planned: &Planned| {
        let mut told = state(planned);
        if let Some(same) = planned.same {
            told["same-as"] = name(same).into();
        }
        if let Some(Reach { after, trained, epochs }) = planned.reach {
            told["epochs"] = json!({ "all": epochs, "goes-on-after": after, "trained-before": trained });
        }
        told
    };
    let stages: Vec<Value> = plan.stages.iter().map(stage).collect();
    let (cached, run, maybe) = plan.counts();
    let mut told =
        json!({ "pipeline": manifest.pipeline.name, "cached": cached, "run": run, "maybe": maybe, "stages": stages });
    if *time != Estimate::default() {
        told["time"] = json!({
            "seconds": time.run,
            "maybe-seconds": time.maybe,
            "unknown-stages": time.unknown,
            "results": time.results,
            "factor": time.factor,
            "measured": time.measured,
        });
    }
    if !manifest.expectations.is_empty() {
        let (asked, others) = expected(plan, manifest);
        let expectation = |(checked, asked): (&Checked, bool)| {
            json!({
                "model": checked.model,
                "axes": checked.axes,
                "measure": checked.measure,
                "expected": checked.expected,
                "asked": asked,
            })
        };
        let all = asked.iter().map(|checked| (checked, true)).chain(others.iter().map(|checked| (checked, false)));
        told["expectations"] = all.map(expectation).collect();
    }
    told
}
