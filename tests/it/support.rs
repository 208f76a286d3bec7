//! A folder with a manifest and a store, and the binary run in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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
        let project = Self { folder: tempfile::tempdir().expect("a temporary folder") };
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

    /// The binary, in the folder, without colour and with no store but the folder's own.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pleach"));
        command.current_dir(self.path()).args(arguments).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
        command
    }

    /// Runs the binary to its end.
    pub fn pleach(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().expect("the binary starts").into()
    }

    /// Runs the binary and insists on exit code 0.
    pub fn succeed(&self, arguments: &[&str]) -> Ran {
        let ran = self.pleach(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
        ran
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
    pub fn events(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
    }

    /// The names of the stages that events of one kind are about, in order.
    pub fn stages(&self, event: &str) -> Vec<String> {
        let named = |e: &serde_json::Value| e["stage"].as_str().map(str::to_owned);
        self.events().iter().filter(|e| e["event"] == event).filter_map(named).collect()
    }
}

/// A folder of the repository.
pub fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}
