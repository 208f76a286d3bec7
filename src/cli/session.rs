//! What most commands begin with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use indexmap::IndexSet;

use super::arguments::{self, Global};
use super::{Failure, home, output};
use crate::error::{Error, Kind, Result};
use crate::graph::StageGraph;
use crate::manifest::matrix::template_of;
use crate::manifest::{self, Manifest};
use crate::store::{Access, Options, Store};

/// The store where nothing else is said.
const DEFAULT_STORE: &str = "cache";

/// A manifest that passed its checks, with its graph.
pub struct Session {
    /// The manifest.
    pub manifest: Manifest,
    /// Its stages.
    pub graph: StageGraph,
}

impl Session {
    /// Reads the manifest, and shows its warnings.
    pub fn open(arguments: &arguments::Manifest) -> Result<Self, Failure> {
        let manifest = manifest::read(&arguments.path, &arguments.sets)?;
        output::diagnostics(&manifest.warnings, &manifest.sources);
        let graph = StageGraph::new(&manifest);
        Ok(Self { manifest, graph })
    }

    /// The indices of the stages that `names` mean, or of all when there are none, as far as they lie in the part of the
    /// matrix that `only` (each `AXIS=VALUE`) leaves. A stage that an axis does not reach lies in every part of it.
    pub fn targets(&self, names: &[String], only: &[String]) -> Result<Vec<usize>> {
        let part = self.part(only)?;
        let stages = &self.manifest.stages;
        let mut all = if names.is_empty() {
            (0..stages.len()).collect()
        } else {
            names.iter().map(|name| self.stages(name)).collect::<Result<Vec<_>>>()?.concat()
        };
        if let Some(search) = self.manifest.search.as_ref().filter(|_| !names.is_empty()) {
            // Without what it looks at, a search decides nothing.
            all.extend((0..stages.len()).filter(|stage| stages[*stage].template == search.evaluate));
        }
        let is_in = |stage: &usize| {
            let reaching = stages[*stage].coordinates.iter();
            reaching.clone().all(|(axis, value)| part.get(axis).is_none_or(|values| values.contains(value)))
        };
        let picked: Vec<usize> = all.into_iter().filter(is_in).collect();
        if picked.is_empty() {
            return Err(Error::new(Kind::Usage, "no stage lies in this part of the matrix")
                .hint("`pleach plan MANIFEST --expand` lists the stages with their values"));
        }
        Ok(picked)
    }

    /// The values of axes that `only` names.
    fn part(&self, only: &[String]) -> Result<BTreeMap<usize, Vec<usize>>> {
        let axes = &self.manifest.axes;
        let mut part: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for pair in only {
            let usage = |message: String| Error::new(Kind::Usage, message);
            let (axis, label) = pair.split_once('=').ok_or_else(|| {
                usage(format!("`--only {pair}` has no value")).hint("write `--only AXIS=VALUE`, such as `seed=1`")
            })?;
            let place = axes.iter().position(|other| other.name == axis.trim()).ok_or_else(|| {
                let names = axes.iter().map(|axis| axis.name.as_str());
                hinted(usage(format!("the manifest has no axis `{}`", axis.trim())), axis.trim(), names)
            })?;
            let labels = &axes[place].labels;
            let value = axes[place].find(label.trim()).ok_or_else(|| {
                let error = usage(format!("`{}` is no value of the axis `{}`", label.trim(), axis.trim()));
                hinted(error, label.trim(), labels.iter().map(String::as_str))
            })?;
            part.entry(place).or_default().push(value);
        }
        Ok(part)
    }

    /// The indices of the stages that `name` means: one, or all instances of a section.
    pub fn stages(&self, name: &str) -> Result<Vec<usize>> {
        let stages = &self.manifest.stages;
        if let Some(stage) = stages.get_index_of(name) {
            return Ok(vec![stage]);
        }
        let of_section: Vec<usize> = (0..stages.len()).filter(|stage| stages[*stage].template == name).collect();
        if !of_section.is_empty() {
            return Ok(of_section);
        }
        let error = Error::new(Kind::Usage, format!("the manifest has no stage `{name}`"));
        let of_same = stages.iter().filter(|(_, stage)| stage.template == template_of(name));
        let instances: Vec<&str> = of_same.map(|(name, _)| name.as_str()).collect();
        let templates: IndexSet<&str> = stages.values().map(|stage| stage.template.as_str()).collect();
        Err(match &instances[..] {
            [] => hinted(error, name, templates.iter().copied()),
            instances => hinted(error, name, instances.iter().copied()),
        })
    }

    /// The index of one stage.
    pub fn stage(&self, name: &str) -> Result<usize> {
        match self.stages(name)?[..] {
            [stage] => Ok(stage),
            ref all => {
                let first = self.manifest.stages.get_index(all[0]).expect("in range").0;
                let message = format!("`{name}` is {} stages", all.len());
                Err(Error::new(Kind::Usage, message).hint(format!("name one, such as `{first}`")))
            }
        }
    }
}

fn hinted<'a>(error: Error, name: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> Error {
    match manifest::nearest::hint(name, names) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Opens the store that the command line, else the environment, else the current folder says, to look at it; where
/// writing was asked to be possible, it must be.
pub fn store(global: &Global) -> Result<OpenStore> {
    let access = if global.require_cache_write { Access::Write } else { Access::Read };
    let store = open(global, access)?;
    store.show_warnings();
    Ok(store)
}

/// Opens the store to change it.
pub fn store_to_write(global: &Global) -> Result<OpenStore> {
    open(global, Access::Write)
}

/// Opens the store for a run whose results are to stay, or are to be lost on purpose. What it has to say is left for the
/// run to tell. Where nothing can be written, `is_done` says of the store, opened to be looked at, whether there is
/// nothing left to run.
pub fn store_to_run(
    global: &Global,
    read_only: bool,
    is_done: impl FnOnce(&Store) -> Result<bool>,
) -> Result<OpenStore> {
    if read_only {
        return open(global, Access::InFront(std::env::temp_dir()));
    }
    open(global, Access::Write).or_else(|error| {
        if global.require_cache_write {
            return Err(error);
        }
        match open(global, Access::Read) {
            Ok(store) if is_done(&store)? => Ok(store),
            _ => Err(error),
        }
    })
}

fn open(global: &Global, access: Access) -> Result<OpenStore> {
    let from_environment = std::env::var_os("PLEACH_CACHE").filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = match (&global.cache, from_environment) {
        (Some(given), _) => given.clone(),
        (None, Some(given)) => home::expand(given)
            .map_err(|error| Error { message: format!("PLEACH_CACHE: {}", error.message), ..error })?,
        (None, None) => PathBuf::from(DEFAULT_STORE),
    };
    #[cfg(feature = "fault-injection")]
    arm_fault()?;
    let options = Options { access, allow_foreign_owner: global.trust_cache };
    let elsewhere = store_above(&root);
    let store = OpenStore(Store::open(&root, &options)?);
    if let Some(other) = elsewhere {
        output::warning(&format!(
            "the store is `cache` in the current folder and is new; there is one further up: `--cache {}` uses that",
            other.display()
        ));
    }
    Ok(store)
}

/// Arms the fault and opens the log that a test asks for, once.
#[cfg(feature = "fault-injection")]
fn arm_fault() -> Result<()> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static ARMED: AtomicBool = AtomicBool::new(false);
    if ARMED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    if let Some(path) = std::env::var_os("PLEACH_STORE_LOG") {
        crate::store::fault::log_to(&PathBuf::from(path))?;
    }
    if let Ok(fault) = std::env::var("PLEACH_FAULT") {
        crate::store::fault::arm(crate::store::fault::parse(&fault)?);
    }
    Ok(())
}

/// The nearest store in a folder above, where `root` is the name that is looked for in the current one and is not there yet:
/// a command that is given in another folder than the last would do everything again.
fn store_above(root: &Path) -> Option<PathBuf> {
    if root != Path::new(DEFAULT_STORE) || root.exists() {
        return None;
    }
    let here = std::env::current_dir().ok()?;
    let place = here.ancestors().skip(1).position(|folder| folder.join(root).join("v1").is_dir())?;
    Some(PathBuf::from("../".repeat(place + 1)).join(root))
}

/// A store whose warnings are shown at the latest when the command is done with it.
pub struct OpenStore(Store);

impl OpenStore {
    /// Shows the warnings that came since the last time.
    pub fn show_warnings(&self) {
        for warning in self.0.take_warnings() {
            output::warning(&warning);
        }
    }
}

impl std::ops::Deref for OpenStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        self.show_warnings();
    }
}
