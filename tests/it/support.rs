//! A folder with a manifest and a store, and the binary run in it, to its end or step by step.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pleach::store::{Options, Record, Store};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;

/// Every run of the binary ends within this, or the test fails. Generous, as the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Five stages on few images: quick, and every kind of input.
pub const SMALL: &str = r#"
[pipeline]
name = "small"
seed = 3

[data.digits]
source = "digits"
validation = 0.2
limit = 300

[stages.teacher]
kind = "train"
data = "digits"
network = { arch = "mlp", hidden = [24] }
epochs = 3

[stages.student]
kind = "distill"
data = "digits"
teacher = "teacher"
network = { arch = "mlp", hidden = [12] }
losses = [{ kind = "kd", temperature = 4, alpha = 0.9 }]
epochs = 2

[stages.pruned]
kind = "prune"
from = "student"
method = { kind = "weights", criterion = "magnitude", sparsity = 0.5 }

[stages.tuned]
kind = "fine-tune"
data = "digits"
from = "pruned"
teacher = "teacher"
epochs = 2

[stages.score]
kind = "evaluate"
data = "digits"
models = ["teacher", "student", "tuned"]
reference = "teacher"
"#;

/// The names of the stages of [`SMALL`], inputs first.
pub const SMALL_STAGES: [&str; 5] = ["teacher", "student", "pruned", "tuned", "score"];

/// What the stages of a store came to: for each label, the hash of each output.
pub type Results = BTreeMap<String, BTreeMap<String, String>>;

/// A temporary folder in which pleach runs.
pub struct Project {
    folder: tempfile::TempDir,
}

/// What a run of the binary came to.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// An empty folder with `pleach.toml`.
    pub fn new(manifest: &str) -> Self {
        // In memory where there is such a place: hundreds of short runs wait for nothing but the disk otherwise.
        let memory = Path::new("/dev/shm");
        let is_roomy = rustix::fs::statvfs(memory).is_ok_and(|found| found.f_bavail * found.f_frsize > 1 << 30);
        let in_memory = if is_roomy { tempfile::tempdir_in(memory).ok() } else { None };
        let folder = in_memory.unwrap_or_else(|| tempfile::tempdir().expect("a temporary folder"));
        let project = Self { folder };
        project.write("pleach.toml", manifest);
        project
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The store that runs use.
    pub fn cache(&self) -> PathBuf {
        self.path().join("cache")
    }

    /// Writes a file in the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("a file that can be written");
    }

    /// The binary, or the one that `PLEACH_TEST_BINARY` names, in the folder, without colour and with no store but the folder's own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::var_os("PLEACH_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_pleach").into());
        let mut command = Command::new(binary);
        command.current_dir(self.path()).args(arguments).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
        command
    }

    /// Runs the binary to its end.
    pub fn pleach(&self, arguments: &[&str]) -> Ran {
        Running::start(self.command(arguments)).wait()
    }

    /// Runs the pipeline with `--json` and more arguments, to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.pleach(&[&["run", "pleach.toml", "--json"], arguments].concat())
    }

    /// Starts such a run.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::start(self.command(&[&["run", "pleach.toml", "--json"], arguments].concat()))
    }

    /// The records of finished stages in the store.
    pub fn records(&self) -> Vec<Record> {
        let store = Store::open(&self.cache(), &Options::default()).expect("a store that can be opened");
        store.records().filter(|record| record.kind == "stage").collect()
    }

    /// What the stages in the store came to.
    pub fn results(&self) -> Results {
        let outputs = |record: &Record| record.outputs.iter().map(|(n, o)| (n.clone(), o.digest.to_string())).collect();
        self.records().iter().map(|record| (record.label.clone(), outputs(record))).collect()
    }

    /// The file of one output of a stage.
    pub fn object(&self, stage: &str, output: &str) -> PathBuf {
        let label = |record: &&Record| record.label.ends_with(&format!("/{stage}"));
        let record = self.records().iter().find(label).expect("the stage has a record").clone();
        let digest = record.outputs[output].digest.to_string();
        self.cache().join("v1/objects").join(&digest[..2]).join(digest)
    }

    /// The file of the record of a stage.
    pub fn record_file(&self, stage: &str) -> PathBuf {
        let label = |record: &&Record| record.label.ends_with(&format!("/{stage}"));
        let key = self.records().iter().find(label).expect("the stage has a record").key.to_string();
        self.cache().join("v1/actions").join(&key[..2]).join(key)
    }

    /// Runs the binary and insists on exit code 0.
    pub fn succeed(&self, arguments: &[&str]) -> Ran {
        self.pleach(arguments).expect(0)
    }
}

/// The binary at work, with its stdout read line by line. Killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: String,
    errors: Option<JoinHandle<()>>,
    /// What came on stderr so far.
    told: Arc<Mutex<Vec<u8>>>,
}

impl Running {
    /// Starts a command with its streams captured.
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let (stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                if sender.send(format!("{}\n", String::from_utf8_lossy(&line))).is_err() {
                    return;
                }
            }
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let errors = std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stderr.read(&mut part) {
                heard.lock().expect("nobody panics with it").extend(&part[..length]);
            }
        });
        Self { child, lines, seen: String::new(), errors: Some(errors), told }
    }

    /// Reads events up to the first for which `wanted` holds.
    pub fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                let _ = self.child.kill();
                let errors = self.stderr();
                panic!("the run ended, or hangs, before the event came:\n{}{errors}", self.seen);
            };
            self.seen.push_str(&line);
            let event = serde_json::from_str(&line).expect("a JSON object a line");
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Reads events up to the first of this sort about this stage.
    pub fn until_event(&mut self, event: &str, stage: &str) -> Value {
        self.until(|e| e["event"] == event && e["stage"] == stage)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process number");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Stops it, and waits until all of its threads stand still: what is done to its files then, it does not undo.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        let pid = Pid::from_raw(self.child.id() as i32).expect("a process number");
        waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED).expect("a child of ours");
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the process can be waited for").is_some()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ran {
        let begun = Instant::now();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.seen.push_str(&line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(_) => panic!("the run hangs:\n{}", self.seen),
            }
        }
        while !self.has_ended() {
            assert!(begun.elapsed() < PATIENCE, "the run hangs:\n{}", self.seen);
            std::thread::sleep(Duration::from_millis(1));
        }
        let status = self.child.wait().expect("the process can be waited for");
        Ran { code: status.code().unwrap_or(-1), stdout: std::mem::take(&mut self.seen), stderr: self.stderr() }
    }

    fn stderr(&mut self) -> String {
        self.errors.take().map(JoinHandle::join);
        String::from_utf8_lossy(&self.told.lock().expect("nobody panics with it")).into_owned()
    }

    /// The first line on stderr that has `word` in it.
    pub fn told_until(&self, word: &str) -> String {
        let begun = Instant::now();
        loop {
            let told = String::from_utf8_lossy(&self.told.lock().expect("nobody panics with it")).into_owned();
            let mut whole = told.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(line) = whole.find(|line| line.contains(word)) {
                return line.to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "nothing about {word}:\n{told}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The events of a run with `--json`.
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }

    /// Text of `plan` without the lines about time and disk, which no two machines have in common.
    pub fn untimed(&self) -> String {
        let is_told = |line: &&str| !line.starts_with("time: ") && !line.starts_with("disk: ");
        self.stdout.split_inclusive('\n').filter(is_told).collect()
    }

    /// The first event of one kind.
    pub fn event(&self, event: &str) -> Value {
        let found = self.events().into_iter().find(|e| e["event"] == event);
        found.unwrap_or_else(|| panic!("no event `{event}`:\n{}{}", self.stdout, self.stderr))
    }

    /// Insists on an exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The names of the stages that events of one kind are about, in order.
    pub fn stages(&self, event: &str) -> Vec<String> {
        let named = |e: &Value| e["stage"].as_str().map(str::to_owned);
        self.events().iter().filter(|e| e["event"] == event).filter_map(named).collect()
    }
}

/// A folder of the repository.
pub fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder that can be made");
    for entry in std::fs::read_dir(from).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a file that can be copied");
        }
    }
}

/// Writes over a file of the store, which is read-only.
pub fn overwrite(path: &Path, content: &[u8]) {
    std::fs::remove_file(path).expect("a file that can be removed");
    std::fs::write(path, content).expect("a file that can be written");
}

/// Whether this machine lets us mount; says so visibly if not.
pub fn may_mount() -> bool {
    let allowed = Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|output| output.status.success());
    if !allowed {
        skipped("`unshare -Urm` is not permitted here");
    }
    allowed
}

/// The command as another user, with these numbers of user and group; `None`, visibly, where this user may not do that.
pub fn as_user(user: u32, group: u32, mut command: Command) -> Option<Command> {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can run a program as another user");
        return None;
    }
    // This leaves root's other groups behind too.
    command.uid(user).gid(group);
    Some(command)
}

/// Says on the terminal, past the test harness, that a test was not carried out.
pub fn skipped(why: &str) {
    use std::io::Write;
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why}");
}
