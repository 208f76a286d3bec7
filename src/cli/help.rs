//! What `--help` says behind the options: examples, and the exit codes.

/// Of `pleach`.
pub const PLEACH: &str = "\
Examples:
  pleach init                           write a first manifest, pleach.toml
  pleach plan pleach.toml               what a run would do, and why
  pleach run pleach.toml                do it; what is in the store is not done again
  pleach report pleach.toml -o page.html --format html

Exit codes:
    0  done
    1  a defect of pleach
    2  the command line is wrong
   10  the manifest is wrong
   11  an input is missing, cannot be read, or changed during the run
   20  a stage failed
   21  a stage diverged: a loss, weight or logit is not finite
   22  the device is out of memory
   23  a network is not what `[expect]` says, or is not known to be
   24  the time of `--budget` is used up
   30  the store, a file or standard output cannot be written or read
   31  another process held a lock for too long
   32  the store was written by a newer pleach
  130  stopped by Ctrl-C
  143  stopped by SIGTERM or SIGHUP, or at the limit on processor time

`pleach COMMAND --help` has examples of each command.";

/// Of `pleach run`.
pub const RUN: &str = "\
Examples:
  pleach run pleach.toml
  pleach run pleach.toml tuned --set stages.tuned.epochs=3
  pleach run sweep.toml --only seed=1 --jobs 4 --keep-going
  pleach run pleach.toml --quiet > table.txt
  pleach run sweep.toml --budget 2h     stops at the last epoch that fits
  sed s/digits/letters/ pleach.toml | pleach run -

Ctrl-C stops at the next step; the same command goes on from there. `pleach --help` lists the exit codes.";

/// Of `pleach plan`.
pub const PLAN: &str = "\
Examples:
  pleach plan pleach.toml
  pleach plan pleach.toml --set stages.teacher.epochs=60
  pleach plan sweep.toml --expand --only criterion=l1";

/// Of `pleach explain`.
pub const EXPLAIN: &str = "\
Examples:
  pleach explain pleach.toml student
  pleach explain sweep.toml 'pruned[sparsity=0.5,seed=1]'";

/// Of `pleach check`.
pub const CHECK: &str = "\
Examples:
  pleach check pleach.toml
  pleach check pipelines/*.toml";

/// Of `pleach layers`.
pub const LAYERS: &str = "\
Examples:
  pleach layers pleach.toml             of every network
  pleach layers pleach.toml student     of one

The names are what losses, penalties and pruning methods take as `layer`, `student`, `teacher` or `ignore`.";

/// Of `pleach graph`.
pub const GRAPH: &str = "\
Examples:
  pleach graph pleach.toml
  pleach graph pleach.toml --format dot | dot -Tsvg > graph.svg";

/// Of `pleach report`.
pub const REPORT: &str = "\
Examples:
  pleach report pleach.toml
  pleach report pleach.toml --format html -o page.html
  pleach report sweep.toml --format csv --rows networks --only criterion=l1
  pleach report pleach.toml --set stages.student.epochs=40 --against pleach.toml
  pleach report pleach.toml --format markdown -o comment.md

`x` columns are shares of the reference; `efficiency` is the share of its accuracy that is kept, times the share of its
parameters that is gone. docs/reports.md says what every column is.";

/// Of `pleach export`.
pub const EXPORT: &str = "\
Examples:
  pleach export pleach.toml tuned -o tuned.safetensors
  pleach export sweep.toml 'tuned[seed=2]' -o tuned.json";

/// Of `pleach cache`.
pub const CACHE: &str = "\
Examples:
  pleach cache status
  pleach cache gc --dry-run
  PLEACH_CACHE=/fast/disk/store pleach cache verify

`status` counts: stages, results of stages; epochs, checkpoints of training; answers, a teacher's logits on training images;
measurements, times of networks; divergences, stages that diverged; corrupt, records that are made again; quarantined,
corrupt files that were put aside; unfinished, files that a process was writing when it ended, or still is.";

/// Of `pleach data`.
pub const DATA: &str = "\
Examples:
  pleach data list
  pleach data fetch cifar-10
  pleach data check images --path photographs --size 32 32";

/// Of `pleach devices`.
pub const DEVICES: &str = "\
Examples:
  pleach devices
  pleach devices --check
  pleach devices --speed --network resnet18";

/// Of `pleach completions`.
pub const COMPLETIONS: &str = "\
Examples:
  pleach completions bash > ~/.local/share/bash-completion/completions/pleach
  pleach completions fish > ~/.config/fish/completions/pleach.fish";

/// Of `pleach schema`.
pub const SCHEMA: &str = "\
Examples:
  pleach schema > pleach.schema.json

With `#:schema ./pleach.schema.json` as the first line of a manifest, editors that know taplo use it.";

/// Of `pleach init`.
pub const INIT: &str = "\
Examples:
  pleach init
  pleach init experiments/first";
