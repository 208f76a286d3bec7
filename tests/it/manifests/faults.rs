//! One mistake, one message.

use super::{GOOD, edited, one_message_each, parse, text, wrong};
use pleach::manifest::diagnostic::render;

#[test]
fn unknown_keys() {
    let told = one_message_each(&[
        &[("[pipeline]", "[pipline]")],
        &[(
            "[networks.wide]\narch = \"mlp\"\nhidden = [32]\n\n[networks.deep]",
            "[network.wide]\narch = \"mlp\"\nhidden = [32]\n\n[network.deep]",
        )],
        &[("[pipeline]", "[extra]\n[pipeline]")],
        &[("name = \"tiny\"", "nme = \"tiny\"")],
        &[("validation = 0.2", "validaton = 0.2"), ("select = \"best\"", "")],
        &[("hidden = [32]", "hiden = [32]")],
        &[("hidden = [32]", "hidden = [32]\ndepth = 3")],
        &[("epochs = 4", "epoch = 4")],
        &[("epochs = 4", "epochs = 4\nzzz = 4")],
        &[("momentum = 0.9", "momentun = 0.9")],
        &[("warmup = 1", "warm-up = 1")],
        &[("temperature = 4", "temprature = 4")],
        &[("strength = 1e-4", "strenght = 1e-4")],
        &[("layer = \"hidden1\"", "layer = \"hidden1\", treshold = 1")],
        &[("reference = \"student\"", "refrence = \"student\"")],
        &[("kind = \"train\"", "knd = \"train\"")],
        &[("sparsity = 0.5", "sparsity = 0.5, layer = \"hidden1\"")],
        &[("sparsity = 0.5", "sparsity = 0.5, data = \"digits\"")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn missing_keys() {
    let told = one_message_each(&[
        &[("source = \"digits\"\n", "")],
        &[("arch = \"mlp\"\n", "")],
        &[("hidden = [32]\n", "")],
        &[("depth = 8\n", "")],
        &[("kind = \"train\"\n", "")],
        &[("epochs = 4\n", "")],
        &[("network = \"deep\"\n", "")],
        &[("teacher = \"teacher\"\n", "")],
        &[("from = \"pruned\"\n", "")],
        &[("data = \"digits\"\nfrom = \"student\"", "from = \"student\"")],
        &[("method = { kind = \"weights\", sparsity = 0.5 }\n", "")],
        &[(", sparsity = 0.5", "")],
        &[("kind = \"sgd\", lr = 0.1, ", "kind = \"sgd\", ")],
        &[("kind = \"step\", milestones", "milestones")],
        &[("milestones = [2, 3], ", "")],
        &[(", strength = 1e-4", "")],
        &[("models = [\"teacher\", \"student\", \"tuned\", \"masked\"]\n", "")],
        &[("select = \"best\"", "early-stop = {}")],
        &[("select = \"best\"", "prune = { every = 2 }")],
        &[("source = \"digits\"", "source = \"mnist\""), ("[stages.score]", "[stages.other]")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn values_of_the_wrong_type() {
    let told = one_message_each(&[
        &[("[pipeline]\nname = \"tiny\"\nseed = 1", "pipeline = \"tiny\"")],
        &[("name = \"tiny\"", "name = 3")],
        &[("seed = 1", "seed = \"one\"")],
        &[("seed = 1", "seed = 1.0")],
        &[("[data.digits]\nsource = \"digits\"\nvalidation = 0.2", "[data]\ndigits = \"digits\"")],
        &[("source = \"digits\"", "source = [\"digits\"]")],
        &[("validation = 0.2", "validation = true")],
        &[("arch = \"mlp\"", "arch = 3")],
        &[("hidden = [32]", "hidden = 32")],
        &[("hidden = [32]", "hidden = [\"32\"]")],
        &[("hidden = [32]", "hidden = [32.0]")],
        &[("depth = 8", "depth = 2026-01-01")],
        &[("[stages.tuned]\n", "[stages]\nother = 3\n[stages.tuned]\n")],
        &[("kind = \"train\"", "kind = true")],
        &[("epochs = 4", "epochs = \"4\"")],
        &[("epochs = 4", "epochs = [4]")],
        &[("data = \"digits\"\nnetwork = \"deep\"", "data = { source = \"digits\" }\nnetwork = \"deep\"")],
        &[("network = \"deep\"", "network = [\"deep\"]")],
        &[("optimizer = { kind = \"sgd\", lr = 0.1, momentum = 0.9, nesterov = true }", "optimizer = \"adam\"")],
        &[("lr = 0.1", "lr = \"0.1\"")],
        &[("nesterov = true", "nesterov = 1")],
        &[("schedule = { kind = \"step\", milestones = [2, 3], warmup = 1 }", "schedule = []")],
        &[("milestones = [2, 3]", "milestones = 2")],
        &[("milestones = [2, 3]", "milestones = [2, 3.5]")],
        &[("augment = [\"crop\"]", "augment = \"crop\"")],
        &[("augment = [\"crop\"]", "augment = [1]")],
        &[("select = \"best\"", "select = true")],
        &[("select = \"best\"", "early-stop = 5")],
        &[("select = \"best\"", "prune = 5")],
        &[("losses = [{ kind = \"kd\", temperature = 4, alpha = 0.9 }]", "losses = { kind = \"kd\" }")],
        &[("losses = [{ kind = \"kd\", temperature = 4, alpha = 0.9 }]", "losses = [\"kd\"]")],
        &[("penalties = [{ kind", "penalties = [1, { kind")],
        &[("layer = \"hidden1\"", "layer = 1")],
        &[("method = { kind = \"weights\", sparsity = 0.5 }", "method = \"weights\"")],
        &[("teacher = \"teacher\"", "teacher = 3")],
        &[("models = [\"teacher\", \"student\", \"tuned\", \"masked\"]", "models = \"student\"")],
        &[("models = [\"teacher\", \"student\", \"tuned\", \"masked\"]", "models = [\"student\", 3]")],
        &[("reference = \"student\"", "reference = 0")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn values_out_of_range() {
    let told = one_message_each(&[
        &[("seed = 1", "seed = -1")],
        &[("seed = 1", "seed = 9223372036854775808")],
        &[("validation = 0.2", "validation = 1.0"), ("select = \"best\"", "")],
        &[("validation = 0.2", "validation = -0.1")],
        &[("validation = 0.2", "validation = 0.2\nlimit = 0")],
        &[("hidden = [32]", "hidden = [0]")],
        &[("hidden = [32]", "hidden = [1099511627776]")],
        &[("depth = 8", "depth = 9")],
        &[("depth = 8", "depth = 2")],
        &[("width = 4", "width = 0")],
        &[("epochs = 4", "epochs = 0")],
        &[("epochs = 4", "epochs = -1")],
        &[("epochs = 4", "epochs = 1099511627776")],
        &[("batch = 64", "batch = 0")],
        &[("batch = 64", "batch = 1081")],
        &[("lr = 0.1", "lr = nan")],
        &[("lr = 0.1", "lr = inf")],
        &[("lr = 0.1", "lr = -inf")],
        &[("lr = 0.1", "lr = 1e400")],
        &[("lr = 0.1", "lr = 0")],
        &[("lr = 0.1", "lr = 99999999999999999999")],
        &[("momentum = 0.9", "momentum = 1")],
        &[("temperature = 4", "temperature = 0")],
        &[("temperature = 4", "temperature = -4.0")],
        &[("alpha = 0.9", "alpha = 1.5")],
        &[("strength = 1e-4", "strength = -1e-4")],
        &[("sparsity = 0.5", "sparsity = 1")],
        &[("sparsity = 0.5", "sparsity = 1.5")],
        &[("layer = \"hidden1\"", "layer = \"hidden1\", measure = \"zeros\", threshold = 2")],
        &[("layer = \"hidden1\"", "layer = \"hidden1\", minimum = 0")],
        &[("kind = \"sgd\", lr = 0.1, momentum = 0.9, nesterov = true", "kind = \"adam\", betas = [0.9, 1.0]")],
        &[("kind = \"sgd\", lr = 0.1, momentum = 0.9, nesterov = true", "kind = \"adam\", betas = [0.9]")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn words_that_are_not_there() {
    let told = one_message_each(&[
        &[("source = \"digits\"", "source = \"digit\"")],
        &[("source = \"digits\"", "source = \"imagenet\"\npath = \"x\"")],
        &[("arch = \"mlp\"", "arch = \"alexnet\"")],
        &[("arch = \"mlp\"", "arch = \"vgg\"")],
        &[("kind = \"train\"", "kind = \"trian\"")],
        &[("kind = \"sgd\"", "kind = \"lion\"")],
        &[("kind = \"step\"", "kind = \"stop\"")],
        &[("augment = [\"crop\"]", "augment = [\"rotate\"]")],
        &[("select = \"best\"", "select = \"first\"")],
        &[("kind = \"kd\"", "kind = \"hinton\"")],
        &[("kind = \"l1\"", "kind = \"l2\"")],
        &[("kind = \"inactive\"", "kind = \"structured\"")],
        &[("sparsity = 0.5", "sparsity = 0.5, scope = \"local\"")],
        &[("reference = \"student\"", "reference = \"student\"\nsplit = \"dev\"")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn names() {
    let told = one_message_each(&[
        &[("[stages.masked]", "[stages.\"mas ked\"]"), (", \"masked\"", "")],
        &[("[stages.masked]", "[stages.\"mas\\u0000ked\"]"), (", \"masked\"", "")],
        &[("[stages.masked]", "[stages.\"mas\\u202Eked\"]"), (", \"masked\"", "")],
        &[("[stages.masked]", "[stages.\"\"]"), (", \"masked\"", "")],
        &[
            ("[stages.masked]", "[stages.a123456789a123456789a123456789a123456789a123456789a123456789a1234]"),
            (", \"masked\"", ""),
        ],
        &[("[stages.masked]", "[stages.\"../masked\"]"), (", \"masked\"", "")],
        &[("[stages.masked]", "[stages.Student]"), (", \"masked\"", "")],
        &[("[stages.masked]", "[stages.student]")],
        &[("[networks.deep]", "[networks.\"dé\"]"), ("network = \"deep\"", "network = \"dé\"")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn references() {
    let told = one_message_each(&[
        &[("data = \"digits\"\nnetwork = \"deep\"", "data = \"digit\"\nnetwork = \"deep\"")],
        &[("network = \"deep\"", "network = \"deap\"")],
        &[("teacher = \"teacher\"", "teacher = \"techer\"")],
        &[("from = \"pruned\"", "from = \"nothing-of-the-kind\"")],
        &[("from = \"pruned\"", "from = \"score\"")],
        &[("\"masked\"]", "\"mask\"]")],
        &[("\"masked\"]", "\"score\"]")],
        &[("\"masked\"]", "\"student\"]")],
        &[("reference = \"student\"", "reference = \"pruned\"")],
        &[("reference = \"student\"", "reference = \"studnt\"")],
        &[("models = [\"teacher\", \"student\", \"tuned\", \"masked\"]", "models = []")],
        &[("network = \"wide\"", "network = { like = \"score\" }")],
        &[("network = \"wide\"", "network = { like = \"teacher\", hidden = [3] }")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn cycles() {
    let told = one_message_each(&[
        &[("from = \"pruned\"", "from = \"tuned\"")],
        &[("from = \"student\"\nmethod = { kind = \"inactive\"", "from = \"tuned\"\nmethod = { kind = \"inactive\"")],
        &[("network = \"wide\"", "network = { like = \"tuned\" }")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn layers_and_networks() {
    let told = one_message_each(&[
        &[("layer = \"hidden1\"", "layer = \"hiden1\"")],
        &[("layer = \"hidden1\"", "layer = \"output\"")],
        &[("layer = \"hidden1\"", "layer = \"flatten\"")],
        &[(
            "from = \"student\"\nmethod = { kind = \"inactive\", layer = \"hidden1\"",
            "from = \"teacher\"\nmethod = { kind = \"inactive\", layer = \"fc\"",
        )],
        &[("layer = \"hidden*\"", "layer = \"conv*\"")],
        &[("layer = \"hidden*\"", "layer = \"\"")],
        &[("hidden = [32]", "hidden = [1048576, 1048576, 1048576]")],
        &[("hidden = [32]", "hidden = [1048576, 1048576]")],
        &[("arch = \"mlp\"\nhidden = [32]", "arch = \"lenet\"\nchannels = [6]"), ("layer = \"hidden*\"", "")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn imports() {
    const STAGE: &str = "[stages.bought]\nkind = \"import\"\nnetwork = \"wide\"\ndata = \"digits\"";
    const BEFORE: &str = "[stages.score]";
    let stage = |more: &str| format!("{STAGE}\n{more}\n\n{BEFORE}");
    let texts =
        ["", "path = \"\"", "path = 3", "path = \"a.safetensors\"\nseed = 2", "path = \"a.safetensors\"\nepochs = 2"];
    let told = texts.map(|more| text(&wrong(GOOD.replacen(BEFORE, &stage(more), 1), &[])));
    insta::assert_snapshot!(told.concat());
}

#[test]
fn what_does_not_go_together() {
    let told = one_message_each(&[
        &[("momentum = 0.9, ", "")],
        &[("milestones = [2, 3]", "milestones = [3, 2]")],
        &[("warmup = 1", "warmup = 5")],
        &[("validation = 0.2\n", "")],
        &[("select = \"best\"", "early-stop = { patience = 3 }"), ("validation = 0.2\n", "")],
        &[("validation = 0.2", "validation = 0.0001")],
        &[("validation = 0.2", "validation = 0.9999")],
        &[
            ("reference = \"student\"", "split = \"validation\""),
            ("validation = 0.2\n", ""),
            ("select = \"best\"\n", ""),
        ],
        &[("epochs = 2", "epochs = 2\nlosses = [{ kind = \"kd\" }]")],
        &[("select = \"best\"", "losses = [{ kind = \"cross-entropy\" }, { kind = \"kd\" }]")],
        &[("epochs = 2", "epochs = 2\nteacher = \"teacher\"\nlosses = [{ kind = \"cross-entropy\" }]")],
        &[("{ kind = \"kd\", temperature = 4, alpha = 0.9 }", "{ kind = \"cross-entropy\" }")],
        &[("{ kind = \"kd\", temperature = 4, alpha = 0.9 }", "")],
        &[("validation = 0.2", "validation = 0.2\npath = \"elsewhere\"")],
        &[
            ("validation = 0.2", "validation = 0.2\nlimit = 20"),
            ("batch = 64\n", "batch = 8\n"),
            ("epochs = 3", "epochs = 3\nbatch = 8"),
        ],
        &[("augment = [\"crop\"]", "augment = [\"crop\", \"crop\"]")],
        &[("kind = \"weights\", sparsity = 0.5", "kind = \"weights\", sparsity = 0.9999")],
        &[("kind = \"weights\", sparsity = 0.5", "kind = \"weights\", sparsity = 0.999, scope = \"uniform\"")],
        &[("name = \"tiny\"", "name = \"so tiny\"")],
    ]);
    insta::assert_snapshot!(told);
}

/// A data set of another shape, or of more classes.
#[test]
fn networks_that_do_not_fit_the_data() {
    const CIFAR: &str = "[data.photos]\nsource = \"cifar-10\"\npath = \"p\"\n[data.digits]";
    const MANY: &str = "[data.photos]\nsource = \"cifar-100\"\npath = \"p\"\n[data.digits]";
    let told = one_message_each(&[
        // A teacher of digits for a student of photographs.
        &[
            ("[data.digits]", CIFAR),
            (
                "epochs = 2",
                "epochs = 2\n[stages.other]\nkind = \"distill\"\ndata = \"photos\"\nteacher = \"teacher\"\nnetwork = \"wide\"\nepochs = 1",
            ),
        ],
        // What goes on from a misfit is not told again.
        &[("[data.digits]", CIFAR), ("data = \"digits\"\nfrom = \"student\"", "data = \"photos\"\nfrom = \"student\"")],
        // Only the number of classes is different.
        &[
            ("[data.digits]", MANY),
            (
                "epochs = 2",
                "epochs = 2\n[stages.other]\nkind = \"train\"\ndata = \"photos\"\nnetwork = \"wide\"\nepochs = 1\n[stages.more]\nkind = \"train\"\ndata = \"ten\"\nnetwork = { like = \"other\" }\nepochs = 1\n[data.ten]\nsource = \"cifar-10\"\npath = \"q\"",
            ),
        ],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn variables_that_stand_for_nothing() {
    let told = one_message_each(&[
        &[("epochs = 4", "epochs = \"${matrix.epochs}\"")],
        &[("strength = 1e-4", "strength = \"${matrix.strength\"")],
        &[("from = \"pruned\"", "from = \"${stage}\"")],
        &[("[pipeline]", "[matrix]\nseed = [1, 2]\n[pipeline]\ndescription = \"${matrix.seed}\"")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn toml() {
    let told = one_message_each(&[
        &[("epochs = 4", "epochs = 4\nepochs = 5")],
        &[("[networks.deep]", "[networks.wide]")],
        &[("epochs = 4", "epochs 4")],
        &[("epochs = 4", "epochs = ")],
        &[("epochs = 4", "epochs = four")],
        &[("name = \"tiny\"", "name = \"tiny")],
        &[("hidden = [32]", "hidden = [32")],
        &[("augment = [\"crop\"]", "augment = [\"crop\"\n")],
        &[("name = \"tiny\"", "name = \"ti\u{0}ny\"")],
        &[("seed = 1", "seed = 1\rsecond = 2")],
        &[("[stages.teacher]", "[stages.teacher")],
        &[("nesterov = true }", "nesterov = true")],
        &[("name = \"tiny\"", "name = 'tiny\"")],
        &[("seed = 1", "seed = 01")],
        &[("[pipeline]", "[[pipeline]\n]")],
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn nothing_to_do() {
    let told = one_message_each(&[
        &[(GOOD, "")],
        &[(GOOD, "# only a comment\n")],
        &[(GOOD, "[stages]\n")],
        &[(GOOD, "stages = 3\n")],
        &[(GOOD, "[[stages]]\nkind = \"train\"\n")],
        &[(GOOD, "[data.digits]\nsource = \"digits\"\n")],
    ]);
    insta::assert_snapshot!(told);
}

/// Allowed, but probably not meant.
#[test]
fn warnings() {
    let text = edited(&[
        ("[pipeline]", "[data.spare]\nsource = \"digits\"\n[networks.spare]\narch = \"lenet\"\n[pipeline]"),
        ("milestones = [2, 3]", "milestones = [2, 4]"),
    ]);
    let manifest = parse(text, &[]).map_err(|_| "refused").unwrap();
    insta::assert_snapshot!(render(&manifest.warnings, &manifest.sources, false));
}

/// Numbers may be written in every way that TOML has.
#[test]
fn numbers_are_read_as_toml_writes_them() {
    let epochs = |written: &'static str| {
        let manifest = parse(edited(&[("epochs = 4", written)]), &[]).map_err(|_| written).unwrap();
        manifest.stages["teacher"].parameters.training().unwrap().epochs
    };
    assert_eq!(["epochs = 1_000", "epochs = 0x10", "epochs = +5", "epochs = 0b101"].map(epochs), [1000, 16, 5, 5]);
    let lr = |written: &'static str| {
        let manifest = parse(edited(&[("lr = 0.1", written)]), &[]).map_err(|_| written).unwrap();
        manifest.stages["teacher"].parameters.training().unwrap().optimizer.lr()
    };
    assert_eq!(["lr = 1", "lr = 1e-3", "lr = +0.5", "lr = 1_0.2_5"].map(lr), [1.0, 0.001, 0.5, 10.25]);
}
