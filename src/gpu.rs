//! Finding a GPU and handing it to burn.
//!
//! A software adapter counts as none unless it is forced: the CPU path is ten times faster there.
//! Buffers are kept under what WebGPU promises everywhere, because burn's allocator sizes its
//! pages by the device's limits.

use burn::backend::wgpu::{RuntimeOptions, WgpuDevice, WgpuSetup, init_device};
use std::sync::{Arc, Mutex};

/// Parts of the names of adapters that are a CPU in disguise.
const SOFTWARE: [&str; 5] = [
    "swiftshader",
    "llvmpipe",
    "lavapipe",
    "software",
    "basic render",
];
/// Largest buffer: what WebGPU promises on every device.
const MAX_BUFFER: u64 = 128 << 20;
/// Dispatches of one submission. Watchdogs see submissions, and slow adapters need short ones.
const TASKS: usize = 8;

/// Why there is no GPU to run on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GpuError {
    /// No adapter.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// Only a software adapter.
    #[error("{0} is a software adapter, slower than the CPU path")]
    Software(String),
    /// The adapter gives no device.
    #[error("the GPU {name} gives no device: {problem}")]
    NoDevice {
        /// The adapter.
        name: String,
        /// What it says.
        problem: String,
    },
}

/// A GPU that burn runs on.
#[derive(Clone)]
pub struct Gpu {
    /// burn's handle.
    pub device: WgpuDevice,
    /// The adapter's name.
    pub name: String,
    /// Whether it is a software adapter.
    pub software: bool,
    /// Largest buffer in bytes.
    pub max_buffer: u64,
    /// Why the device was lost, or an error that nobody caught; nothing while all is well.
    pub trouble: Arc<Mutex<Option<String>>>,
}

/// Opens the GPU. `forced` takes a software adapter too. `max_buffer` caps every buffer, in bytes;
/// 0 means the default of 128 MiB.
///
/// A device can be registered once in a process: call this once and keep the result.
///
/// # Errors
/// Why there is none.
pub async fn open(forced: bool, max_buffer: u64) -> Result<Gpu, GpuError> {
    let backends = match cfg!(target_arch = "wasm32") {
        true => wgpu::Backends::BROWSER_WEBGPU,
        false => wgpu::Backends::PRIMARY,
    };
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let wish = wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        force_fallback_adapter: false,
        compatible_surface: None,
    };
    let adapter = instance.request_adapter(&wish).await;
    let adapter = adapter.map_err(|e| GpuError::NoAdapter(e.to_string()))?;
    let info = adapter.get_info();
    let name = match info.name.is_empty() {
        true => "GPU".to_string(),
        false => info.name.clone(),
    };
    let lower = format!("{} {}", name, info.driver).to_ascii_lowercase();
    let software =
        info.device_type == wgpu::DeviceType::Cpu || SOFTWARE.iter().any(|s| lower.contains(s));
    if software && !forced {
        return Err(GpuError::Software(name));
    }
    crate::nn::kernels::cube::assume_software(software);
    let cap = if max_buffer == 0 {
        MAX_BUFFER
    } else {
        max_buffer
    };
    let mut limits = adapter.limits();
    limits.max_buffer_size = limits.max_buffer_size.min(cap);
    limits.max_storage_buffer_binding_size = limits.max_storage_buffer_binding_size.min(cap);
    let max_buffer = limits.max_storage_buffer_binding_size;
    let wish = wgpu::DeviceDescriptor {
        label: Some("pleura"),
        required_features: adapter
            .features()
            .difference(wgpu::Features::MAPPABLE_PRIMARY_BUFFERS)
            .difference(wgpu::Features::all_experimental_mask()),
        required_limits: limits,
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let (device, queue) = adapter
        .request_device(&wish)
        .await
        .map_err(|e| GpuError::NoDevice {
            name: name.clone(),
            problem: e.to_string(),
        })?;
    let trouble = Arc::new(Mutex::new(None));
    watch(&device, &trouble);
    let setup = WgpuSetup {
        instance,
        backend: info.backend,
        adapter,
        device,
        queue,
    };
    let options = RuntimeOptions {
        tasks_max: TASKS,
        ..Default::default()
    };
    Ok(Gpu {
        device: init_device(setup, options),
        name,
        software,
        max_buffer,
        trouble,
    })
}

/// Notes a lost device and uncaught errors, the first of each run.
fn watch(device: &wgpu::Device, trouble: &Arc<Mutex<Option<String>>>) {
    let note = |trouble: &Arc<Mutex<Option<String>>>, text: String| {
        let mut slot = trouble
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.get_or_insert(text);
    };
    let lost = Arc::clone(trouble);
    device.set_device_lost_callback(move |reason, text| {
        note(&lost, format!("device lost ({reason:?}): {text}"));
    });
    let uncaught = Arc::clone(trouble);
    device.on_uncaptured_error(Arc::new(move |error| note(&uncaught, error.to_string())));
}
