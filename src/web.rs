//! The wasm-bindgen surface: thin over [`crate::analysis`] and [`crate::engine`].
//!
//! Options, device, file facts and the report cross as JSON; weights, tiles and masks as bytes.
//! Every method throws an `Error` with a text for people. A panic posts
//! `{ type: "panic", text }` from the Worker before it traps, because a promise in flight never
//! settles then.

mod correction;
mod follow;
mod lesson;

use crate::analysis::lesson::Lesson;
use crate::analysis::{self, Options, OutputFile};
use crate::infnet::slices;
use crate::io::Limits;
use crate::phantom::{self, PhantomConfig};
use crate::plane::Plane;
use crate::weights::{Entry, Manifest};
use crate::{engine, gpu, io};
use burn::backend::{Flex, Wgpu};
use serde_json::json;
use std::sync::PoisonError;
use wasm_bindgen::prelude::*;

/// Sets the panic hook; runs when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let message = js_sys::Object::new();
        let set = |key: &str, value: &str| {
            // Setting a plain object's own property cannot fail.
            let _ = js_sys::Reflect::set(&message, &key.into(), &value.into());
        };
        set("type", "panic");
        set("text", &info.to_string());
        if let Ok(scope) = js_sys::global().dyn_into::<web_sys::DedicatedWorkerGlobalScope>() {
            let _ = scope.post_message(&message);
        }
    }));
}

/// The crate's version.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// The demo case as .nii.gz. `piece_mm` > 0 makes only a piece of that height.
#[wasm_bindgen]
pub fn phantom(seed: u64, lesions: usize, piece_mm: f64) -> Vec<u8> {
    let config = PhantomConfig::demo(seed, lesions, (piece_mm > 0.0).then_some(piece_mm));
    io::nifti::write_hu(&phantom::generate(&config).hu, true)
}

fn thrown(error: impl std::fmt::Display) -> JsError {
    JsError::new(&error.to_string())
}

fn options(json: &str) -> Result<Options, JsError> {
    serde_json::from_str(json).map_err(|e| thrown(format!("the options are not understood: {e}")))
}

enum Networks {
    Gpu(Box<engine::Engine<Wgpu>>, gpu::Gpu),
    Cpu(Box<engine::Engine<Flex>>),
}

/// Networks on a device.
#[wasm_bindgen]
pub struct Engine {
    networks: Networks,
    manifest: Option<Manifest>,
}

#[wasm_bindgen]
impl Engine {
    /// Opens `"gpu"` or `"cpu"`, or `"gpu-reference"`, which expands the weights at load and
    /// convolves with burn's own kernels, to compare. `max_buffer_mb` caps every GPU buffer; 0 is
    /// the default.
    ///
    /// A software adapter is taken when the caller asks for the GPU: the caller has looked at it.
    pub async fn create(device: String, max_buffer_mb: u32) -> Result<Engine, JsError> {
        let networks = match device.as_str() {
            "gpu" | "gpu-reference" => {
                let found = gpu::open(true, u64::from(max_buffer_mb) << 20)
                    .await
                    .map_err(thrown)?;
                let budget = engine::Budget {
                    buffer: found.max_buffer,
                    ..Default::default()
                };
                let networks = engine::Engine::new(found.device.clone()).within(budget);
                let networks = match device.as_str() {
                    "gpu" => networks,
                    _ => networks.dequantized(),
                };
                Networks::Gpu(Box::new(networks), found)
            }
            _ => Networks::Cpu(Box::new(engine::Engine::new(Default::default()))),
        };
        Ok(Engine {
            networks,
            manifest: None,
        })
    }

    /// The device as JSON: kind, name, software.
    pub fn device(&self) -> String {
        match &self.networks {
            Networks::Gpu(_, gpu) => {
                json!({"kind": "gpu", "name": gpu.name, "software": gpu.software})
            }
            Networks::Cpu(_) => json!({"kind": "cpu", "name": "CPU", "software": true}),
        }
        .to_string()
    }

    /// Takes models/manifest.json.
    pub fn set_manifest(&mut self, bytes: &[u8]) -> Result<(), JsError> {
        self.manifest = Some(parse(bytes)?);
        Ok(())
    }

    /// Takes a weight file; refuses one that is not what the manifest promises.
    pub fn load_weights(&mut self, file: &str, bytes: &[u8]) -> Result<(), JsError> {
        let entry = self.entry(file)?;
        match &mut self.networks {
            Networks::Gpu(engine, _) => engine.load(&entry, bytes),
            Networks::Cpu(engine) => engine.load(&entry, bytes),
        }
        .map_err(thrown)
    }

    fn entry(&self, file: &str) -> Result<Entry, JsError> {
        let manifest = self.manifest.as_ref();
        let manifest =
            manifest.ok_or_else(|| thrown("models/manifest.json has not been loaded"))?;
        let entry = manifest.models.iter().find(|e| e.file == file).cloned();
        entry.ok_or_else(|| thrown(format!("the manifest does not list {file}")))
    }

    /// Runs a tile: [`Analysis::tile`]'s JSON and [`Analysis::input`]'s bytes, from this worker or
    /// another, give the bytes for [`Analysis::merge`].
    pub async fn compute(&self, task: &str, input: &[u8]) -> Result<Vec<u8>, JsError> {
        let task: engine::Task = serde_json::from_str(task)
            .map_err(|e| thrown(format!("the task is not understood: {e}")))?;
        let bytes = match &self.networks {
            Networks::Cpu(engine) => engine.compute(&task, input).await,
            Networks::Gpu(engine, _) => engine.compute(&task, input).await,
        };
        self.untroubled()?;
        bytes.map_err(thrown)
    }

    /// The raw logits of the network in a loaded weight file.
    pub async fn forward(&self, file: &str, input: &[f32]) -> Result<Vec<f32>, JsError> {
        let entry = self.entry(file)?;
        let logits = match &self.networks {
            Networks::Cpu(engine) => engine.forward(&entry, input).await,
            Networks::Gpu(engine, _) => engine.forward(&entry, input).await,
        };
        self.untroubled()?;
        logits.map_err(thrown)
    }

    /// A grey slice, row by row, as [`Engine::taps`] takes it: resized to the loaded Inf-Net's side,
    /// and normalised.
    pub fn network_input(
        &self,
        grey: &[u8],
        width: usize,
        height: usize,
    ) -> Result<Vec<f32>, JsError> {
        let side = match &self.networks {
            Networks::Cpu(engine) => engine.side(),
            Networks::Gpu(engine, _) => engine.side(),
        };
        let slice = Plane::new(grey.to_vec(), [width, height]).map_err(thrown)?;
        Ok(slices::network_input(&slice, side.map_err(thrown)?))
    }

    /// Named intermediate tensors of the loaded Inf-Net on one normalised slice
    /// `[3, side, side]`: `f2`…`f5`, `global`, `ra5`…`ra2`, `S_g`, `S_5`…`S_2`, `S_e` and others.
    pub async fn taps(&self, input: &[f32], names: Vec<String>) -> Result<Taps, JsError> {
        let tapped = match &self.networks {
            Networks::Cpu(engine) => engine.taps(input, &names).await,
            Networks::Gpu(engine, _) => engine.taps(input, &names).await,
        };
        self.untroubled()?;
        Ok(Taps {
            tensors: tapped.map_err(thrown)?,
        })
    }

    /// Refuses what came from a device that has failed in the meantime.
    fn untroubled(&self) -> Result<(), JsError> {
        let Networks::Gpu(_, gpu) = &self.networks else {
            return Ok(());
        };
        let trouble = gpu.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.as_ref().map_or(Ok(()), |text| Err(thrown(text)))
    }
}

/// Values in HU as the grey levels that Inf-Net sees.
#[wasm_bindgen]
pub fn grey(hu: &[i16]) -> Vec<u8> {
    hu.iter().copied().map(slices::grey).collect()
}

/// Intermediate tensors by name.
#[wasm_bindgen]
pub struct Taps {
    tensors: Vec<engine::Tapped>,
}

#[wasm_bindgen]
impl Taps {
    /// Names, in the order in which the network makes them.
    pub fn names(&self) -> Vec<String> {
        self.tensors.iter().map(|t| t.name.clone()).collect()
    }

    /// A tensor's extents, `[1, channels, height, width]`; empty if there is none of that name.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.find(name).map(|t| t.shape.clone()).unwrap_or_default()
    }

    /// A tensor's values, row-major; empty if there is none of that name.
    pub fn values(&self, name: &str) -> Vec<f32> {
        let found = self.find(name);
        found.map(|t| t.values.clone()).unwrap_or_default()
    }

    fn find(&self, name: &str) -> Option<&engine::Tapped> {
        self.tensors.iter().find(|t| t.name == name)
    }
}

/// The weight files that these options need, as a JSON array; `image` for a 2D image.
#[wasm_bindgen]
pub fn needs(manifest: &[u8], options_json: &str, image: bool) -> Result<String, JsError> {
    let manifest = parse(manifest)?;
    let needed = options(options_json)?.needs(&manifest, image);
    let needed = needed.map_err(thrown)?;
    let files: Vec<&str> = needed.iter().map(|e: &&Entry| e.file.as_str()).collect();
    Ok(json!(files).to_string())
}

/// The lung network's weight file, if these options ask for it.
#[wasm_bindgen]
pub fn lung_weights(manifest: &[u8], options_json: &str) -> Result<Option<String>, JsError> {
    let manifest = parse(manifest)?;
    let entry = options(options_json)?.lung_network(&manifest);
    Ok(entry.map_err(thrown)?.map(|e| e.file.clone()))
}

fn parse(manifest: &[u8]) -> Result<Manifest, JsError> {
    Manifest::parse("models/manifest.json", manifest).map_err(thrown)
}

/// The DICOM series in files, as a JSON array of uid, description, modality, slices, thickness_mm,
/// kernel, rows, columns and thumbnail (width, height, pixels); empty if there are no DICOM files.
#[wasm_bindgen]
pub fn series(
    name: &str,
    names: Vec<String>,
    contents: Vec<js_sys::Uint8Array>,
) -> Result<String, JsError> {
    let files = files(names, contents)?;
    let found = io::series(name, &files, &Limits::default()).map_err(thrown)?;
    serde_json::to_string(&found).map_err(thrown)
}

/// Whether a file that begins with these bytes may be a scan: the first [`head`] are enough.
#[wasm_bindgen]
pub fn opens(beginning: &[u8]) -> bool {
    io::opens(beginning)
}

/// Bytes that [`opens`] wants to see.
#[wasm_bindgen]
pub fn head() -> usize {
    io::HEAD
}

/// Refuses files of so many bytes together if they are more than fit, before they are read.
#[wasm_bindgen]
pub fn admit(total: f64) -> Result<(), JsError> {
    let limit = Limits::default().max_bytes;
    if total > limit as f64 {
        return Err(thrown(format!(
            "the files have {total} bytes, and the limit is {limit}: choose those of one scan"
        )));
    }
    Ok(())
}

/// Copies files out of JavaScript's memory.
fn files(
    names: Vec<String>,
    contents: Vec<js_sys::Uint8Array>,
) -> Result<Vec<io::File<'static>>, JsError> {
    if names.len() != contents.len() {
        let text = format!("{} names for {} files", names.len(), contents.len());
        return Err(thrown(text));
    }
    admit(contents.iter().map(|c| f64::from(c.length())).sum())?;
    let pairs = names.into_iter().zip(contents);
    Ok(pairs
        .map(|(name, content)| io::File {
            name,
            bytes: content.to_vec().into(),
        })
        .collect())
}

/// One scan's or image's analysis.
#[wasm_bindgen]
pub struct Analysis {
    inner: Option<analysis::Analysis>,
    lesson: Lesson,
}

#[wasm_bindgen]
impl Analysis {
    /// Reads a file.
    pub fn open(name: &str, bytes: &[u8], options_json: &str) -> Result<Analysis, JsError> {
        let options = options(options_json)?;
        let opened = analysis::Analysis::open(name, bytes, options, &Limits::default());
        Ok(Analysis {
            inner: Some(opened.map_err(thrown)?),
            lesson: Lesson::default(),
        })
    }

    /// Reads the files of a folder, or one file: the DICOM series with the SeriesInstanceUID
    /// `series`, or the CT series with most slices. `name` is the folder's, and `names` go with
    /// `contents`.
    pub fn open_files(
        name: &str,
        names: Vec<String>,
        contents: Vec<js_sys::Uint8Array>,
        series: Option<String>,
        options_json: &str,
    ) -> Result<Analysis, JsError> {
        let options = options(options_json)?;
        let (files, limits) = (files(names, contents)?, Limits::default());
        let series = series.as_deref();
        let opened = analysis::Analysis::open_files(name, &files, series, options, &limits);
        Ok(Analysis {
            inner: Some(opened.map_err(thrown)?),
            lesson: Lesson::default(),
        })
    }

    fn get(&self) -> Result<&analysis::Analysis, JsError> {
        self.inner
            .as_ref()
            .ok_or_else(|| thrown("this analysis is finished"))
    }

    /// Kind, dims, spacing, warnings and the input's SHA-256 as JSON.
    pub fn info(&self) -> Result<String, JsError> {
        let analysis = self.get()?;
        let kind = if analysis.is_image() {
            "image"
        } else {
            "volume"
        };
        Ok(json!({
            "kind": kind,
            "dims": analysis.dims(),
            "spacing": analysis.spacing(),
            "warnings": analysis.warnings(),
            "sha256": analysis.record().input.sha256,
        })
        .to_string())
    }

    /// Takes a weight file of [`lung_weights`].
    pub fn set_lung_network(
        &mut self,
        manifest: &[u8],
        file: &str,
        bytes: &[u8],
    ) -> Result<(), JsError> {
        let manifest = parse(manifest)?;
        let entry = manifest.models.iter().find(|e| e.file == file);
        let entry = entry.ok_or_else(|| thrown(format!("{file} is not in the manifest")))?;
        let analysis = self
            .inner
            .as_mut()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        analysis.set_lung_network(entry, bytes).map_err(thrown)
    }

    /// The scan as a file for the viewer: NIfTI, not packed, on the file's own axes; PNG for an image.
    pub fn shown(&self) -> Result<Vec<u8>, JsError> {
        self.get()?.shown().map_err(thrown)
    }

    /// Finds the lungs and plans the tiles for the models of `manifest`. `progress` gets 0…1.
    pub fn prepare(&mut self, manifest: &[u8], progress: &js_sys::Function) -> Result<(), JsError> {
        let manifest = parse(manifest)?;
        let analysis = self
            .inner
            .as_mut()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        let mut report = |part: f32| {
            // A listener that throws is its own business.
            let _ = progress.call1(&JsValue::NULL, &part.into());
        };
        analysis.prepare(&manifest, &mut report).map_err(thrown)
    }

    /// Number of tiles.
    pub fn tile_count(&self) -> Result<usize, JsError> {
        Ok(self.get()?.tiles().len())
    }

    /// A tile in words.
    pub fn tile_label(&self, tile: usize) -> Result<String, JsError> {
        Ok(self.get()?.label(tile))
    }

    /// What is to be run on a tile's input, as JSON for [`Engine::compute`].
    pub fn tile(&self, tile: usize) -> Result<String, JsError> {
        let (task, _) = self.get()?.input(tile).map_err(thrown)?;
        serde_json::to_string(&task).map_err(thrown)
    }

    /// A tile's input.
    pub fn input(&self, tile: usize) -> Result<Vec<u8>, JsError> {
        let (_, input) = self.get()?.input(tile).map_err(thrown)?;
        Ok(input)
    }

    /// Takes a tile's bytes.
    pub fn merge(&mut self, tile: usize, bytes: &[u8]) -> Result<(), JsError> {
        let analysis = self
            .inner
            .as_mut()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        analysis.merge(tile, bytes).map_err(thrown)
    }

    /// Makes masks and report; the analysis is over then. `device` is named in the report.
    pub fn finish(&mut self, device: &str) -> Result<Outcome, JsError> {
        let analysis = self
            .inner
            .take()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        Outcome::of(analysis.finish(device).map_err(thrown)?)
    }
}

/// What an analysis gave.
#[wasm_bindgen]
pub struct Outcome {
    report: String,
    files: Vec<OutputFile>,
}

impl Outcome {
    fn of(outcome: analysis::Outcome) -> Result<Self, JsError> {
        let report = match &outcome.findings {
            Some(findings) => findings.to_json().map_err(thrown)?,
            None => "{}".into(),
        };
        Ok(Self {
            report,
            files: outcome.files,
        })
    }
}

#[wasm_bindgen]
impl Outcome {
    /// The report as JSON; `{}` for an image.
    pub fn report(&self) -> String {
        self.report.clone()
    }

    /// Names of the files.
    pub fn files(&self) -> Vec<String> {
        self.files.iter().map(|f| f.name.clone()).collect()
    }

    /// A file's bytes; empty if there is none of that name.
    pub fn file(&self, name: &str) -> Vec<u8> {
        let found = self.files.iter().find(|f| f.name == name);
        found.map(|f| f.bytes.clone()).unwrap_or_default()
    }
}
