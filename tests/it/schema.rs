//! `pleach schema` against manifests that are good, and some that are not.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Project, SMALL, repository};
use crate::{expect, import, keys, manifests};

/// The schema as it is printed.
fn schema() -> Value {
    serde_json::from_str(&Project::new("").succeed(&["schema"]).stdout).expect("JSON")
}

fn manifest(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().expect("TOML")).expect("JSON")
}

/// Whether `value` is as `schema` says: those words of JSON Schema that ours uses, and a panic at any other.
fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let all = |schemas: &Value, fit: &dyn Fn(usize) -> bool| {
        let count = schemas.as_array().unwrap().iter().filter(|schema| fits(root, schema, value)).count();
        fit(count)
    };
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let length = || value.as_array().map_or(0, Vec::len) as u64;
    schema.as_object().unwrap().iter().all(|(word, wanted)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" | "default" => true,
        "$ref" => fits(root, root.pointer(&wanted.as_str().unwrap()[1..]).expect("a definition"), value),
        "type" => match wanted.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64(),
            "number" => value.is_number(),
            other => panic!("type {other}"),
        },
        // The only pattern is that of a variable.
        "pattern" => value.as_str().is_none_or(|text| text.contains("${")),
        "const" => value == wanted,
        "enum" => wanted.as_array().unwrap().contains(value),
        "oneOf" => all(wanted, &|count| count == 1),
        "anyOf" => all(wanted, &|count| count > 0),
        "allOf" => all(wanted, &|count| count == wanted.as_array().unwrap().len()),
        "if" => {
            let branch = if fits(root, wanted, value) { "then" } else { "else" };
            schema.get(branch).is_none_or(|schema| fits(root, schema, value))
        }
        "then" | "else" => schema.get("if").is_some(),
        "minimum" => number(value) >= number(wanted),
        "maximum" => number(value) <= number(wanted),
        "exclusiveMinimum" => number(value) > number(wanted),
        "exclusiveMaximum" => number(value) < number(wanted),
        "minItems" => length() >= wanted.as_u64().unwrap(),
        "maxItems" => length() <= wanted.as_u64().unwrap(),
        "uniqueItems" => {
            let items = value.as_array().unwrap();
            items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
        }
        "minProperties" => value.as_object().is_some_and(|map| map.len() as u64 >= wanted.as_u64().unwrap()),
        "items" => value.as_array().is_some_and(|items| items.iter().all(|item| fits(root, wanted, item))),
        "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
        "properties" => value.as_object().is_some_and(|map| {
            map.iter().all(|(key, value)| wanted.get(key).is_none_or(|schema| fits(root, schema, value)))
        }),
        "additionalProperties" => value.as_object().is_some_and(|map| {
            let rest = map.iter().filter(|(key, _)| schema["properties"].get(key.as_str()).is_none());
            rest.into_iter().all(|(_, value)| if wanted == false { false } else { fits(root, wanted, value) })
        }),
        other => panic!("the schema uses `{other}`"),
    })
}

/// Every word that some key can hold in place of others.
fn words(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            found.extend(map.get("const").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|schema| words(schema, found));
        }
        Value::Array(all) => all.iter().for_each(|schema| words(schema, found)),
        _ => {}
    }
}

/// A manifest with every kind of everything.
fn everything() -> String {
    let mut text = EVERYTHING.to_owned();
    let pair = "{ student = \"hidden1\", teacher = \"avgpool\" }";
    let losses = ["fitnet", "attention", "fsp", "sp", "vid", "rkd"].map(|kind| {
        let weight = if kind == "rkd" { "distance = 1, angle = 2" } else { "weight = 2" };
        format!("{{ kind = \"{kind}\", layers = [{pair}, {pair}], {weight} }}, ")
    });
    let criteria = [
        "random",
        "magnitude",
        "l1",
        "l2",
        "group-norm",
        "fpgm",
        "bn-scale",
        "apoz",
        "mean-activation",
        "inactive",
        "taylor",
        "snip",
        "synflow",
        "obd",
        "lamp",
        "hrank",
    ];
    text = text.replace("LOSSES", &losses.concat());
    for criterion in criteria {
        text += &format!(
            "[stages.channels-{criterion}]\nkind = \"prune\"\ndata = \"photos\"\nfrom = \"teacher\"\nseed = 3\n\
             method = {{ kind = \"channels\", criterion = \"{criterion}\", ratio = 0.5, images = 100 }}\n"
        );
    }
    for criterion in ["random", "magnitude", "taylor", "snip", "synflow", "obd", "lamp"] {
        text += &format!(
            "[stages.weights-{criterion}]\nkind = \"prune\"\ndata = \"photos\"\nfrom = \"teacher\"\n\
             method = {{ kind = \"weights\", criterion = \"{criterion}\", sparsity = 0.5, steps = 2 }}\n"
        );
    }
    text
}

const EVERYTHING: &str = r#"
[pipeline]
name = "everything"
description = "every kind of everything"
seed = 1
[data]
digits = { source = "digits", validation = 0.1, normalization = "measured" }
mnist = { source = "mnist", path = "p" }
clothes = { source = "fashion-mnist", path = "p", limit = 1000, seed = 2 }
photos = { source = "cifar-10", path = "p", validation = 0.1 }
more = { source = "cifar-100", path = "p", normalization = { mean = [0.5, 0.5, 0.5], deviation = [0.2, 0.2, 0.2] } }
houses = { source = "svhn", path = "p" }
own = { source = "images", path = "p", size = [32, 48], channels = 1, test = 0.2, orientation = "ignore" }
turned = { source = "images", path = "p", size = [16, 16], orientation = "apply" }

[networks]
mlp = { arch = "mlp", hidden = [32] }
lenet = { arch = "lenet", channels = [6, 16], hidden = [] }
resnet = { arch = "resnet", depth = 8, width = 8, shortcut = "projection" }
resnet18 = { arch = "resnet", depth = 18, stem = "imagenet", shortcut = "pad" }
preact = { arch = "preact-resnet", depth = 20 }
vgg = { arch = "vgg", depth = 11, classifier = "imagenet", dropout = 0.1 }
vgg16 = { arch = "vgg", depth = 16, classifier = "cifar" }
densenet = { arch = "densenet", depth = 40, growth = 12, bottleneck = true, compression = 0.5 }
mobilenet = { arch = "mobilenet-v2", width = 0.5, dropout = 0.1, stem = "cifar" }
b0 = { arch = "efficientnet", variant = "b0", stochastic-depth = 0.1 }
b1 = { arch = "efficientnet", variant = "b1", width = 0.5, depth = 0.5, dropout = 0 }
b2 = { arch = "efficientnet", variant = "b2" }
b3 = { arch = "efficientnet", variant = "b3" }
again = { like = "teacher" }
[networks.written]
arch = "graph"
layers = [
    { name = "conv", op = "convolution", out-channels = 8, kernel = [3, 3], stride = 1, padding = [1, 1], dilation = 1, groups = 1, bias = false },
    { name = "bn", op = "batch-norm", epsilon = 1e-5, momentum = 0.1 },
    { name = "a", op = "relu" },
    { name = "b", op = "relu6" },
    { name = "c", op = "silu" },
    { name = "d", op = "hard-swish" },
    { name = "e", op = "sigmoid" },
    { name = "f", op = "add", inputs = ["d", "e"] },
    { name = "g", op = "multiply", inputs = ["f", "e"] },
    { name = "h", op = "concatenate", inputs = ["f", "g"] },
    { name = "i", op = "dropout", rate = 0.1 },
    { name = "j", op = "stochastic-depth", rate = 0.1 },
    { name = "k", op = "max-pool", kernel = 2 },
    { name = "l", op = "average-pool", kernel = [2, 2], stride = 2, padding = 0 },
    { name = "m", op = "pad-shortcut", stride = 2, out-channels = 20, before = 1 },
    { name = "n", op = "adaptive-average-pool", output = [2, 2] },
    { name = "o", op = "global-average-pool" },
    { name = "p", op = "flatten" },
    { name = "q", op = "linear", out-features = 10, bias = true },
]

[stages.teacher]
kind = "train"
data = "photos"
network = "resnet"
epochs = 9
batch = 32
last-batch = "even"
optimizer = { kind = "adamw", lr = 1e-3, betas = [0.9, 0.99], epsilon = 1e-8, weight-decay = 0.1, decay-all = true }
schedule = { kind = "cosine", warmup = 1, final-share = 0.1 }
losses = [{ kind = "cross-entropy", smoothing = 0.1, weight = 1 }, { kind = "mutual" }]
augment = ["crop", "flip", "cutout", "mixup", { kind = "cutmix", alpha = 1 }, "trivial-augment"]
clip-norm = 1
precision = "tf32"
select = "best"
early-stop = { patience = 3, minimum-gain = 0.01 }
prune = { every = 2, method = { kind = "weights", sparsity = 0.5, scope = "lamp", ignore = ["conv1"] }, schedule = { kind = "agp", initial = 0.1, begin = 1, end = 8 } }

[stages.student]
kind = "distill"
precision = "bf16"
data = "photos"
teacher = "teacher"
network = { arch = "mlp", hidden = [32, 16] }
epochs = 3
last-batch = "smaller"
optimizer = { kind = "sgd", lr = 0.1, momentum = 0.9, nesterov = true }
schedule = { kind = "step", milestones = [1, 2], gamma = 0.2 }
losses = [LOSSES
    { kind = "kd", temperature = 4, alpha = 0.9, standardize = true },
    { kind = "logits-mse" },
    { kind = "dkd", temperature = 4, alpha = 1, beta = 8, warmup = 1 },
    { kind = "dist", temperature = 1, beta = 1, gamma = 1 },
]
augment = [{ kind = "crop" }, { kind = "cutout", size = 8 }, { kind = "mixup", alpha = 1 }, { kind = "rand-augment", operations = 1, magnitude = 5 }]
select = "last"

[stages.quiet]
kind = "regularize"
data = "photos"
from = "teacher"
epochs = 3
last-batch = "drop"
optimizer = { kind = "adam" }
schedule = { kind = "constant" }
penalties = [
    { kind = "l1", strength = 1e-4 },
    { kind = "activation-l1", layer = "layer1.0.conv1", strength = 1e-4 },
    { kind = "bn-l1", layer = "bn*", strength = 1e-4 },
    { kind = "group-lasso", strength = 1e-4 },
    { kind = "sparse-group-lasso", strength = 1e-4, l1-strength = 1e-5, proximal = false },
    { kind = "polarization", strength = 1e-4, l1-factor = 1.2 },
    { kind = "growing", delta = 1e-4 },
]
prune = { method = { kind = "rigl", sparsity = 0.5, scope = "erk", every-steps = 10, alpha = 0.3, until = 0.7, ignore = ["fc"], minimum = 0.1 } }

[stages.tuned]
kind = "fine-tune"
precision = "f32"
data = "photos"
from = "quiet"
epochs = 3
prune = { method = { kind = "surgery", c = 0.5, gamma = 1e-4, power = 1, ignore = ["fc"], layers = { conv1 = -0.5 } } }

[stages.bought]
kind = "import"
data = "photos"
path = "resnet18.safetensors"
network = "resnet18"
seed = 3
prefix = "module."
head = "fresh"
fresh = ["conv1"]
ignore-extra = ["*total_ops"]
mask = "zeros"
[stages.read]
kind = "import"
data = "photos"
path = "net.safetensors"
network = { file = "net.json" }

[stages.silent]
kind = "prune"
data = "photos"
from = "student"
method = { kind = "inactive", layer = "hidden1", measure = "zeros", threshold = 0.1, minimum = 2 }
[stages.silent-mean]
kind = "prune"
data = "photos"
from = "student"
method = { kind = "inactive", layer = "hidden1", measure = "mean" }
[stages.silent-maximum]
kind = "prune"
data = "photos"
from = "student"
method = { kind = "inactive", layer = "hidden1", measure = "maximum" }
[stages.narrow]
kind = "prune"
from = "student"
method = { kind = "channels", macs = 0.5, scope = "isomorphic", round-to = 8, minimum = 0.1, steps = 3, layers = { hidden1 = 0.2 }, ignore = ["hidden2"] }
[stages.narrower]
kind = "prune"
from = "student"
method = { kind = "channels", parameters = 0.5, scope = "uniform" }
[stages.sparse]
kind = "prune"
from = "student"
method = { kind = "weights", sparsity = 0.5, scope = "global", minimum = 0.1, layers = { hidden1 = 0.2 } }

[stages.score]
kind = "evaluate"
data = "photos"
models = ["teacher", "student"]
reference = "teacher"
split = "train"
[stages.score-validation]
kind = "evaluate"
data = "photos"
models = ["teacher"]
split = "validation"
[stages.score-test]
kind = "evaluate"
data = "photos"
models = ["teacher"]
split = "test"
"#;

#[test]
fn a_manifest_with_every_kind_of_everything_fits() {
    let schema = schema();
    // A manifest has one search.
    let searches = ["kind = \"bisect\"\ndrop = 0.01", "kind = \"halving\"\nover = [\"method\"]\nkeep = 0.5"];
    let texts = searches.map(|search| {
        everything() + "[search]\naxis = \"rate\"\nevaluate = \"score\"\nmodel = \"student\"\n" + search + SWEPT
    });
    for text in &texts {
        assert!(fits(&schema, &schema, &manifest(text)));
    }
    let text = texts.concat();
    let mut all = BTreeSet::new();
    words(&schema, &mut all);
    let unused: Vec<&String> = all.iter().filter(|word| !text.contains(&format!("\"{word}\""))).collect();
    assert!(all.len() > 90 && unused.is_empty(), "the manifest has to have {unused:?} of {}", all.len());
}

/// Sections of a sweep, and values that depend on its axes.
const SWEPT: &str = r#"
[matrix]
rate = [0.1, 0.2]
seed = [1, 2]
exclude = [{ rate = 0.1, seed = 2 }]
include = [{ rate = 0.3, seed = 1 }]
zip = [["rate", "seed"]]

[matrix.method]
half = { kind = "channels", ratio = 0.5 }

[report]
group-by = ["rate"]
panel = "method"
compare = "rate"
against = "0.1"
metrics.own = "accuracy / 2"

[stages.swept]
kind = "fine-tune"
data = "photos"
from = "student"
epochs = { by = "${matrix.rate}", "0.1" = 1, else = 2 }
batch = "${matrix.seed}"
optimizer = { kind = "sgd", lr = "${matrix.rate}" }
losses = ["${matrix.method}"]
"#;

#[test]
fn mistakes_in_any_kind_do_not_fit() {
    let schema = schema();
    let text = everything();
    for (from, to) in [
        ("\"svhn\"", "\"shvn\""),
        ("channels = 1, test", "channels = 2, test"),
        ("size = [32, 48]", "size = [32]"),
        ("size = [32, 48], ", ""),
        ("path = \"p\", limit", "limit"),
        ("normalization = \"measured\"", "normalization = \"given\""),
        ("deviation = [0.2, 0.2, 0.2]", "deviation = [0.2, 0.2, 0]"),
        ("depth = 11", "depth = 12"),
        ("growth = 12", "growth = 0"),
        ("variant = \"b2\"", "variant = \"b4\""),
        ("like = \"teacher\"", "like = \"teacher\", width = 3"),
        ("op = \"silu\"", "op = \"gelu\""),
        ("kernel = [3, 3]", "kernel = [3, 3, 3]"),
        ("stride = 2, out-channels", "stride = [2, 2], out-channels"),
        ("inputs = [\"d\", \"e\"]", "inputs = \"d\""),
        ("out-features = 10", "features = 10"),
        ("\"cutout\", \"mixup\"", "\"cutout\", \"mix-up\""),
        ("kind = \"cutout\", size = 8", "kind = \"cutout\", size = 0"),
        ("kind = \"logits-mse\"", "kind = \"logits-mse\", temperature = 4"),
        ("kind = \"fitnet\", layers", "kind = \"fitnet\", pairs"),
        ("proximal = false", "proximal = 0"),
        ("kind = \"growing\", delta = 1e-4", "kind = \"growing\", strength = 1e-4"),
        ("scope = \"erk\"", "scope = \"isomorphic\""),
        ("layers = { conv1 = -0.5 }", "layers = { conv1 = \"-0.5\" }"),
        ("layers = { hidden1 = 0.2 }, ignore", "layers = { hidden1 = 1.2 }, ignore"),
        ("ignore = [\"hidden2\"]", "ignore = \"hidden2\""),
        ("kind = \"agp\", initial", "kind = \"linear\", initial"),
        ("path = \"resnet18.safetensors\"\n", ""),
        ("head = \"fresh\"", "head = \"new\""),
        ("file = \"net.json\"", "file = \"net.json\", arch = \"lenet\""),
        ("kind = \"weights\", criterion = \"snip\"", "kind = \"weights\", criterion = \"fpgm\""),
        ("parameters = 0.5, scope", "scope"),
        ("criterion = \"hrank\"", "criterion = \"rank\""),
    ] {
        assert_eq!(text.matches(from).count(), 1, "{from} must occur once");
        assert!(!fits(&schema, &schema, &manifest(&text.replacen(from, to, 1))), "{from} → {to}");
    }
}

/// The places in `value` that are not as `schema` says, as deep as conditions lead.
fn faults(root: &Value, schema: &Value, value: &Value, place: &str, found: &mut BTreeSet<String>) {
    if fits(root, schema, value) {
        return;
    }
    let mut inner = BTreeSet::new();
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return faults(root, root.pointer(&name[1..]).unwrap(), value, place, found);
    }
    for one in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        faults(root, one, value, place, &mut inner);
    }
    if let Some(condition) = schema.get("if") {
        let branch = if fits(root, condition, value) { "then" } else { "else" };
        schema.get(branch).into_iter().for_each(|schema| faults(root, schema, value, place, &mut inner));
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let schema = schema["properties"].get(key).or(schema.get("additionalProperties").filter(|s| s.is_object()));
        schema.into_iter().for_each(|schema| faults(root, schema, value, &format!("{place}.{key}"), &mut inner));
    }
    for (index, value) in value.as_array().into_iter().flatten().enumerate() {
        let schema = schema.get("items");
        schema.into_iter().for_each(|schema| faults(root, schema, value, &format!("{place}.{index}"), &mut inner));
    }
    if inner.is_empty() {
        inner.insert(place.to_owned());
    }
    found.extend(inner);
}

#[test]
fn a_mistake_is_shown_where_it_stands() {
    let schema = schema();
    for (from, to, place) in [
        ("epochs = 3", "epochs = \"three\"", ".stages.teacher.epochs"),
        ("kind = \"prune\"", "kind = \"trim\"", ".stages.pruned.kind"),
        ("sparsity = 0.5", "sparsity = 2", ".stages.pruned.method.sparsity"),
        ("criterion = \"magnitude\"", "criterion = \"size\"", ".stages.pruned.method.criterion"),
        ("hidden = [12]", "hidden = [0]", ".stages.student.network.hidden.0"),
        ("temperature = 4", "temperature = true", ".stages.student.losses.0.temperature"),
        ("source = \"digits\"", "source = \"letters\"", ".data.digits.source"),
        // A key too many or too few is one of its table.
        ("epochs = 3", "epochs = 3\nepoch = 3", ".stages.teacher"),
        ("sparsity = 0.5", "sparsiti = 0.5", ".stages.pruned.method"),
    ] {
        let mut found = BTreeSet::new();
        faults(&schema, &schema, &manifest(&SMALL.replacen(from, to, 1)), "", &mut found);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [place], "{from} → {to}");
    }
}

#[test]
fn every_good_manifest_fits() {
    let schema = schema();
    let folder = std::fs::read_dir(repository("pipelines")).unwrap();
    let pipelines =
        folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let mut texts: Vec<String> = pipelines.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(texts.len() >= 3);
    texts.push(std::fs::read_to_string(repository("src/cli/init.toml")).unwrap());
    texts.extend([SMALL, keys::MANIFEST, manifests::GOOD, import::MANIFEST, expect::SWEEP].map(str::to_owned));
    for text in texts {
        assert!(fits(&schema, &schema, &manifest(&text)), "{text}");
    }
}

#[test]
fn mistakes_do_not_fit() {
    let schema = schema();
    for (from, to) in [
        ("epochs = 4", "epoch = 4"),
        ("epochs = 4", "epochs = 0"),
        ("epochs = 4", "epochs = 4.5"),
        ("epochs = 4\n", ""),
        ("epochs = 4", "epochs = 4\npath = \"weights\""),
        ("kind = \"distill\"", "kind = \"train\""),
        ("kind = \"distill\"", "kind = \"distil\""),
        ("kind = \"sgd\", lr = 0.1", "kind = \"sgd\""),
        ("lr = 0.1", "lr = 0"),
        ("momentum = 0.9", "betas = [0.9, 0.9]"),
        ("milestones = [2, 3]", "milestones = 2"),
        ("kind = \"kd\", temperature", "kind = \"kd\", temprature"),
        ("kind = \"l1\", layer", "kind = \"bn-l1\", delta = 1, layer"),
        ("select = \"best\"", "select = \"first\""),
        ("augment = [\"crop\"]", "augment = [\"crop\", \"crop\"]"),
        ("source = \"digits\"\n", ""),
        ("source = \"digits\"\n", "source = \"mnist\"\n"),
        ("arch = \"mlp\"", "arch = \"lenet\"\nwidth = 3"),
        ("arch = \"mlp\"", "like = \"teacher\""),
        ("sparsity = 0.5", "sparsity = 1.0"),
        ("[pipeline]", "[pipelines]"),
    ] {
        assert_eq!(manifests::GOOD.matches(from).count(), 1, "{from} must occur once");
        let text = manifests::GOOD.replacen(from, to, 1);
        assert!(!fits(&schema, &schema, &manifest(&text)), "{from} → {to}");
    }
}
