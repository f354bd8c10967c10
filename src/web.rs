//! The wasm-bindgen surface: thin over [`crate::analysis`] and [`crate::engine`].
//!
//! Options, device, file facts and the report cross as JSON; weights, tiles and masks as bytes.
//! Every method throws an `Error` with a text for people. A panic posts
//! `{ type: "panic", text }` from the Worker before it traps, because a promise in flight never
//! settles then.

use crate::analysis::{self, Options, OutputFile};
use crate::io::Limits;
use crate::nn::kernels::Kernels;
use crate::phantom::{self, PhantomConfig};
use crate::weights::{Entry, Manifest};
use crate::{engine, gpu, io};
use burn::backend::{Flex, Wgpu};
use serde_json::json;
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
    Gpu(engine::Engine<Wgpu>, gpu::Gpu),
    Cpu(engine::Engine<Flex>),
}

/// Networks on a device.
#[wasm_bindgen]
pub struct Engine {
    networks: Networks,
    manifest: Option<Manifest>,
}

#[wasm_bindgen]
impl Engine {
    /// Opens `"gpu"` or `"cpu"`. `max_buffer_mb` caps every GPU buffer; 0 is the default.
    ///
    /// A software adapter is taken when the caller asks for the GPU: the caller has looked at it.
    pub async fn create(device: String, max_buffer_mb: u32) -> Result<Engine, JsError> {
        let networks = match device.as_str() {
            "gpu" => {
                let found = gpu::open(true, u64::from(max_buffer_mb) << 20)
                    .await
                    .map_err(thrown)?;
                Networks::Gpu(engine::Engine::new(found.device.clone()), found)
            }
            _ => Networks::Cpu(engine::Engine::new(Default::default())),
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
        self.manifest = Some(Manifest::parse("models/manifest.json", bytes).map_err(thrown)?);
        Ok(())
    }

    fn manifest(&self) -> Result<&Manifest, JsError> {
        let manifest = self.manifest.as_ref();
        manifest.ok_or_else(|| thrown("models/manifest.json has not been loaded"))
    }

    /// The weight files that these options need, as a JSON array; `image` for a 2D image.
    pub fn needs(&self, options_json: &str, image: bool) -> Result<String, JsError> {
        let needed = options(options_json)?
            .needs(self.manifest()?, image)
            .map_err(thrown)?;
        let files: Vec<&str> = needed.iter().map(|e: &&Entry| e.file.as_str()).collect();
        Ok(json!(files).to_string())
    }

    /// Takes a weight file; refuses one that is not what the manifest promises.
    pub fn load_weights(&mut self, file: &str, bytes: &[u8]) -> Result<(), JsError> {
        let manifest = self.manifest()?;
        let entry = manifest.models.iter().find(|e| e.file == file).cloned();
        let entry = entry.ok_or_else(|| thrown(format!("the manifest does not list {file}")))?;
        match &mut self.networks {
            Networks::Gpu(engine, _) => engine.load(&entry, bytes),
            Networks::Cpu(engine) => engine.load(&entry, bytes),
        }
        .map_err(thrown)
    }
}

/// One scan's or image's analysis.
#[wasm_bindgen]
pub struct Analysis {
    inner: Option<analysis::Analysis>,
}

#[wasm_bindgen]
impl Analysis {
    /// Reads a file.
    pub fn open(name: &str, bytes: &[u8], options_json: &str) -> Result<Analysis, JsError> {
        let options = options(options_json)?;
        let opened = analysis::Analysis::open(name, bytes, options, &Limits::default());
        Ok(Analysis {
            inner: Some(opened.map_err(thrown)?),
        })
    }

    fn get(&self) -> Result<&analysis::Analysis, JsError> {
        self.inner
            .as_ref()
            .ok_or_else(|| thrown("this analysis is finished"))
    }

    /// Kind, dims, spacing and warnings as JSON.
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
        })
        .to_string())
    }

    /// Finds the lungs and plans the tiles. `progress` gets 0…1.
    pub fn prepare(&mut self, engine: &Engine, progress: &js_sys::Function) -> Result<(), JsError> {
        let manifest = engine.manifest()?;
        let analysis = self
            .inner
            .as_mut()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        let mut report = |part: f32| {
            // A listener that throws is its own business.
            let _ = progress.call1(&JsValue::NULL, &part.into());
        };
        analysis.prepare(manifest, &mut report).map_err(thrown)
    }

    /// Number of tiles.
    pub fn tile_count(&self) -> Result<usize, JsError> {
        Ok(self.get()?.tiles().len())
    }

    /// A tile in words.
    pub fn tile_label(&self, tile: usize) -> Result<String, JsError> {
        Ok(self.get()?.label(tile))
    }

    /// Runs one tile.
    pub async fn run(&self, engine: &Engine, tile: usize) -> Result<Vec<u8>, JsError> {
        let analysis = self.get()?;
        match &engine.networks {
            Networks::Cpu(networks) => run(analysis, networks, tile).await,
            Networks::Gpu(networks, gpu) => {
                let bytes = run(analysis, networks, tile).await?;
                let trouble = gpu
                    .trouble
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                match &*trouble {
                    Some(text) => Err(thrown(text)),
                    None => Ok(bytes),
                }
            }
        }
    }

    /// Takes a tile's bytes.
    pub fn merge(&mut self, tile: usize, bytes: &[u8]) -> Result<(), JsError> {
        let analysis = self
            .inner
            .as_mut()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        analysis.merge(tile, bytes).map_err(thrown)
    }

    /// Makes masks and report; the analysis is over then.
    pub fn finish(&mut self, engine: &Engine) -> Result<Outcome, JsError> {
        let analysis = self
            .inner
            .take()
            .ok_or_else(|| thrown("this analysis is finished"))?;
        let device = match &engine.networks {
            Networks::Gpu(_, gpu) => gpu.name.as_str(),
            Networks::Cpu(_) => "CPU (WebAssembly)",
        };
        let outcome = analysis.finish(device).map_err(thrown)?;
        let report = match &outcome.findings {
            Some(findings) => findings.to_json().map_err(thrown)?,
            None => "{}".into(),
        };
        Ok(Outcome {
            report,
            files: outcome.files,
        })
    }
}

async fn run<B: Kernels>(
    analysis: &analysis::Analysis,
    engine: &engine::Engine<B>,
    tile: usize,
) -> Result<Vec<u8>, JsError> {
    analysis.run(engine, tile).await.map_err(thrown)
}

/// What an analysis gave.
#[wasm_bindgen]
pub struct Outcome {
    report: String,
    files: Vec<OutputFile>,
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
