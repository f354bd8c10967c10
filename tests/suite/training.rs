//! A training run that was killed goes on as if it had not been.

use burn::backend::Flex;
use burn::module::AutodiffModule;
use burn::tensor::backend::BackendTypes;
use pleura::infnet::data::{Augment, Sample};
use pleura::infnet::rounds::{Course, Lesson, best};
use pleura::infnet::train::{Sources, TrainConfig, fresh, train};
use pleura::infnet::{InfNet, InfNetConfig};
use pleura::nn::params::{fill, read};
use pleura::nn::{Builder, Form};
use pleura::plane::Plane;
use pleura::quant;
use pleura::training::TrainError;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

/// Steps of the whole run, and of the part before it is killed.
const STEPS: usize = 4;
const FIRST: usize = 2;

/// The smallest run that has everything: two optimisers of different rates, augmentation,
/// averaged weights. The published schedule is flat over so few steps, whatever their number.
fn config(steps: usize) -> TrainConfig {
    let net = InfNetConfig {
        side: 64,
        ..InfNetConfig::web()
    };
    TrainConfig {
        net,
        steps,
        batch: 2,
        shares: [1.0, 0.0, 0.0],
        grafts: 0.0,
        rates: [1e-4, 3e-3],
        sides: vec![64],
        settle: 0.0,
        augment: Augment::best(),
        weighted: true,
        cosine: false,
        ema: 0.5,
        seed: 5,
    }
}

/// Slices with a bright disc each, which is the target.
fn sources() -> Sources {
    let sample = |n: usize| {
        let inside = move |x: usize, y: usize| {
            let (dx, dy) = (x as f32 - 20.0 - 5.0 * n as f32, y as f32 - 25.0);
            dx.hypot(dy) < 9.0
        };
        Sample {
            name: n.to_string(),
            image: Plane::from_fn([52, 48], |x, y| {
                let grain = ((x * 7 + y * 13 + n * 29) % 50) as u8;
                grain + if inside(x, y) { 160 } else { 40 }
            }),
            target: Plane::from_fn([52, 48], |x, y| if inside(x, y) { 255 } else { 0 }),
            confidence: None,
        }
    };
    Sources {
        labelled: (0..3).map(sample).collect(),
        ..Sources::default()
    }
}

/// Trains, from weights of `start`'s seed unless there is a checkpoint.
fn run(config: &TrainConfig, start: u64, folder: &Path) -> Result<InfNet<Flex>, TrainError> {
    let device = Default::default();
    let start = fresh::<Flex>(
        &TrainConfig {
            seed: start,
            ..config.clone()
        },
        &device,
    );
    train::<Flex>(config, &sources(), start, folder, &device, &mut |_| ())
}

fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("checkpoint.bin")
}

/// Makes the checkpoint of a run of `FIRST` steps the one that a run of `STEPS` steps would have
/// left when it was killed there: what they do not share is the number in the settings.
fn as_if_killed(folder: &Path) {
    let mut bytes = fs::read(checkpoint(folder)).unwrap();
    let (from, to) = (format!("\"steps\":{FIRST},"), format!("\"steps\":{STEPS},"));
    assert_eq!(from.len(), to.len());
    let at = bytes
        .windows(from.len())
        .rposition(|w| w == from.as_bytes())
        .unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    fs::write(checkpoint(folder), bytes).unwrap();
}

fn assert_same(what: &str, found: &InfNet<Flex>, expected: &InfNet<Flex>) {
    let (found, expected) = (read::<Flex, _>(found), read::<Flex, _>(expected));
    assert_eq!(found.len(), expected.len(), "{what}");
    for (name, (shape, values)) in &expected {
        let (other_shape, other) = &found[name];
        assert_eq!(shape, other_shape, "{what}: {name}");
        let off = values
            .iter()
            .zip(other)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(values == other, "{what}: {name} is off by up to {off:e}");
    }
}

#[test]
fn a_resumed_run_ends_where_a_straight_one_does() {
    let whole = tempfile::tempdir().unwrap();
    let killed = tempfile::tempdir().unwrap();
    let straight = run(&config(STEPS), 5, whole.path()).unwrap();
    run(&config(FIRST), 5, killed.path()).unwrap();
    as_if_killed(killed.path());
    // What the resumed run starts from must not matter: the checkpoint has the weights.
    let resumed = run(&config(STEPS), 77, killed.path()).unwrap();
    assert_same("resumed", &resumed, &straight);
    // A run that is done has nothing left to do.
    let again = run(&config(STEPS), 78, whole.path()).unwrap();
    assert_same("again", &again, &straight);
    refuses_other_settings(whole.path());
    refuses_half_a_checkpoint(whole.path());
}

fn refuses_other_settings(folder: &Path) {
    let other = TrainConfig {
        rates: [2e-4, 3e-3],
        ..config(STEPS)
    };
    let before = fs::read(checkpoint(folder)).unwrap();
    let error = run(&other, 5, folder).err().unwrap().to_string();
    assert!(error.contains(&folder.display().to_string()), "{error}");
    assert!(error.contains("other settings"), "{error}");
    assert!(
        fs::read(checkpoint(folder)).unwrap() == before,
        "the checkpoint has changed"
    );
}

fn refuses_half_a_checkpoint(folder: &Path) {
    let bytes = fs::read(checkpoint(folder)).unwrap();
    fs::write(checkpoint(folder), &bytes[..bytes.len() / 2]).unwrap();
    let error = run(&config(STEPS), 5, folder).err().unwrap().to_string();
    assert!(
        error.contains(&checkpoint(folder).display().to_string()),
        "{error}"
    );
}

/// A course of two rounds and a fine-tuning in `folder`.
fn course<'a>(
    folder: &'a Path,
    device: &'a <Flex as BackendTypes>::Device,
    steps: usize,
) -> Course<'a, Flex> {
    let config = config(1);
    let all = sources().labelled;
    Course {
        stages: best(&config, 2, 2, steps),
        groups: vec![all[1..].to_vec(); 2],
        labelled: all[..1].to_vec(),
        clean: Vec::new(),
        imagenet: fresh::<Flex>(&config, &Default::default()),
        colleagues: Vec::new(),
        side: 64,
        folder,
        device,
    }
}

/// Semi-Inf-Net's course: labels stay where they can be looked at, and a run that was killed between
/// two stages goes on as if it had not been.
#[test]
fn a_course_of_rounds_goes_on_where_it_was_killed() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [straight, killed] = folders.each_ref().map(|folder| folder.path());
    let teacher = fresh::<Flex>(&config(1), &Default::default()).valid();
    let device = Default::default();
    let run = |folder: &Path, steps| course(folder, &device, steps).run(&teacher, &mut |_| ());

    let expected = run(straight, 1).unwrap();
    for round in ["labels-0", "labels-1"] {
        assert_eq!(fs::read_dir(straight.join(round)).unwrap().count(), 2);
    }
    let left = fs::read_dir(straight)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let mut left: Vec<_> = left
        .filter(|n| n.to_string_lossy().starts_with("stage"))
        .collect();
    left.sort();
    assert_eq!(left, ["stage-2"], "one stage's weights are kept");

    // After the first round only its weights and labels are there.
    let mut first = course(killed, &device, 1);
    let whole = first.stages.clone();
    first.stages.truncate(1);
    first.run(&teacher, &mut |_| ()).unwrap();
    let settings = fs::read(straight.join("settings.json")).unwrap();
    fs::write(killed.join("settings.json"), settings).unwrap();
    assert_eq!(whole[0].lesson, Lesson::Round(0));
    assert_same("a killed course", &run(killed, 1).unwrap(), &expected);

    let error = run(killed, 2).unwrap_err();
    assert!(error.to_string().contains("other settings"), "{error}");
}

/// A network whose batch norms are folded, as in the models folder, learns on, and labels together
/// with a colleague.
#[test]
fn a_folded_network_goes_on_with_a_colleague() {
    let device = Default::default();
    let trained = fresh::<Flex>(&config(1), &device).valid();
    let values = quant::fold(&read(&trained), quant::epsilon);
    assert_eq!(Form::of(values.keys()), Form::Folded);
    let folded = |factor: f32| {
        let build = &mut Builder::<Flex>::loading(Form::Folded, &device);
        let net = InfNet::new(build, &config(1).net);
        let scaled = |name: &str| values[name].1.iter().map(|v| v * factor).collect();
        let Ok(net) = fill(net, |name, _| Ok::<_, Infallible>(scaled(name)));
        net
    };
    let teacher = folded(1.0);
    let labels = |colleagues| {
        let folder = tempfile::tempdir().unwrap();
        let mut course = course(folder.path(), &device, 0);
        course.stages.truncate(1);
        course.colleagues = colleagues;
        let net = course.run(&teacher, &mut |_| ()).unwrap();
        let (before, after) = (read(&teacher), read(&net));
        assert!(before.keys().eq(after.keys()), "the norms stay folded");
        let moved = before
            .iter()
            .filter(|(name, values)| after[*name] != **values);
        assert_eq!(moved.count(), before.len(), "every parameter learns");
        fs::read(folder.path().join("labels-0/1.png")).unwrap()
    };
    assert_ne!(labels(vec![folded(0.5)]), labels(Vec::new()));
}

/// As published: 50 slices and 1600 unlabelled ones in 320 rounds of 5, then a new network.
#[test]
fn the_published_course() {
    let net = InfNetConfig::paper();
    let stages = pleura::infnet::rounds::paper(&net, 50, &[5; 320], 1);
    assert_eq!(stages.len(), 322);
    // Nine epochs of batches of 16 at three sizes, of 55 slices at first and 1650 at last.
    let steps = |at: usize| stages[at].config.steps;
    assert_eq!([steps(0), steps(319)], [9 * 3 * 4, 9 * 3 * 104]);
    assert_eq!(stages[319].lesson, Lesson::Rounds(319));
    assert_eq!([steps(320), steps(321)], [100 * 3 * 69, 100 * 3 * 4]);
    assert_eq!(
        [320, 321].map(|at| stages[at].lesson),
        [Lesson::Afresh, Lesson::Doctor]
    );
    let rates = [0, 320, 321].map(|at| stages[at].config.rates[0]);
    assert_eq!(rates, [3e-4, 1e-4, 1e-4]);
}
