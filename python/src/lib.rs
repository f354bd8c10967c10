//! The native part of the Python package, `pleura._native`: thin over [`pleura::runner`].
//!
//! Options and the report cross as JSON; voxels and masks as bytes, the first axis fastest.
//! `python/pleura/__init__.py` makes NumPy arrays of them. The interpreter is free while the
//! networks run.

use image::GrayImage;
use pleura::analysis::{Analysis, AnalysisError, Options, encode};
use pleura::engine::Budget;
use pleura::findings::WarningEntry;
use pleura::io::{self, Input, Limits};
use pleura::runner::{Device, Models, RunError, Runner, Step};
use pleura::volume::{Affine, Volume};
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyDict};
use std::ops::ControlFlow;
use std::path::PathBuf;

create_exception!(
    pleura,
    Error,
    PyException,
    "What this package raises; its text says what is wrong and what to do."
);
create_exception!(
    pleura,
    InputError,
    Error,
    "A scan, picture or lung mask that cannot be analysed."
);
create_exception!(
    pleura,
    EngineError,
    Error,
    "Weights or a device that cannot be used."
);

fn raised(error: RunError) -> PyErr {
    let text = error.to_string();
    match error {
        RunError::Analysis(AnalysisError::Engine(_) | AnalysisError::Weights(_)) => {
            EngineError::new_err(text)
        }
        RunError::Analysis(_) => InputError::new_err(text),
        _ => EngineError::new_err(text),
    }
}

/// A lung mask: a file, or labels on the scan's own grid with its shape.
#[derive(FromPyObject)]
enum Lungs {
    File(PathBuf),
    Labels((PyBackedBytes, [usize; 3])),
}

/// Rows of a map from voxels to RAS+ mm.
type Rows = [[f64; 4]; 3];

/// What an analysis gave, as a dict.
#[derive(IntoPyObject)]
struct Segmented<'py> {
    case: String,
    shape: [usize; 3],
    affine: Option<Rows>,
    masks: Bound<'py, PyDict>,
    report: Option<String>,
    run: String,
    warnings: Vec<(String, String)>,
}

/// Networks on a device.
#[pyclass(frozen, module = "pleura._native")]
struct Engine {
    runner: Runner,
    options: Options,
}

#[pymethods]
impl Engine {
    #[new]
    fn new(
        py: Python,
        models: PathBuf,
        device: &str,
        options: &str,
        max_memory: Option<u64>,
    ) -> PyResult<Self> {
        let options = serde_json::from_str(options)
            .map_err(|e| PyValueError::new_err(format!("the options are not understood: {e}")))?;
        let device = match device {
            "auto" => Device::Auto,
            "cpu" => Device::Cpu,
            "gpu" => Device::Gpu,
            "cuda" => Device::Cuda,
            other => {
                let text = format!("there is no device {other}: auto, cpu, gpu or cuda");
                return Err(PyValueError::new_err(text));
            }
        };
        let mut budget = Budget::default();
        if let Some(mb) = max_memory {
            budget.total = mb.saturating_mul(1 << 20);
        }
        let opened = py.detach(|| Runner::open(Models::open(&models)?, device, budget));
        Ok(Engine {
            runner: opened.map_err(raised)?,
            options,
        })
    }

    #[getter]
    fn device(&self) -> &str {
        self.runner.device()
    }

    #[pyo3(signature = (path, series=None, lungs=None, progress=None))]
    fn path<'py>(
        &self,
        py: Python<'py>,
        path: PathBuf,
        series: Option<String>,
        lungs: Option<Lungs>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Segmented<'py>> {
        let open =
            |limits: &Limits| Analysis::open_path(&path, series.as_deref(), self.options, limits);
        self.run(py, open, lungs, progress)
    }

    #[pyo3(signature = (name, voxels, datatype, shape, affine, lungs=None, progress=None))]
    #[allow(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn volume<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        voxels: PyBackedBytes,
        datatype: &str,
        shape: [usize; 3],
        affine: Rows,
        lungs: Option<Lungs>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Segmented<'py>> {
        let open = |limits: &Limits| {
            let scan = io::array::read(name, &voxels, datatype, shape, Affine(affine), limits)?;
            let print = io::fingerprint(&[in_memory(name, &voxels)]);
            Ok(Analysis::new(
                name,
                Input::Volume(scan),
                print,
                self.options,
            ))
        };
        self.run(py, open, lungs, progress)
    }

    #[pyo3(signature = (name, pixels, width, height, progress=None))]
    fn picture<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        pixels: PyBackedBytes,
        width: u32,
        height: u32,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Segmented<'py>> {
        let picture = GrayImage::from_raw(width, height, pixels.to_vec())
            .filter(|_| width > 0 && height > 0)
            .ok_or_else(|| {
                InputError::new_err(format!("{name} is not {width} × {height} pixels"))
            })?;
        let print = io::fingerprint(&[in_memory(name, &pixels)]);
        let input = Input::Image(picture);
        let open = |_: &Limits| Ok(Analysis::new(name, input, print, self.options));
        self.run(py, open, None, progress)
    }
}

impl Engine {
    fn run<'py>(
        &self,
        py: Python<'py>,
        open: impl FnOnce(&Limits) -> Result<Analysis, AnalysisError> + Send,
        lungs: Option<Lungs>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Segmented<'py>> {
        let mut stop = None;
        let mut masks = Vec::new();
        let done = py.detach(|| -> Result<_, RunError> {
            let limits = Limits::default();
            let mut analysis = open(&limits)?;
            if let Some(lungs) = lungs {
                set_lungs(&mut analysis, lungs, &limits)?;
            }
            let manifest = self.runner.models().manifest();
            let mut follow = |step: Step| match tell(progress.as_ref(), step) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    stop = Some(error);
                    ControlFlow::Break(())
                }
            };
            self.runner.compute(&mut analysis, manifest, &mut follow)?;
            let case = analysis.case().to_string();
            let (shape, affine) = (analysis.dims(), analysis.affine());
            let done = analysis.finish_with(self.runner.device(), &mut |mask| {
                masks.push((mask.name, mask.voxels.data));
                Ok(())
            })?;
            Ok((case, shape, affine, done))
        });
        // What a callback raised, or Ctrl-C, is the reason that is told.
        if let Some(error) = stop {
            return Err(error);
        }
        let (case, shape, affine, done) = done.map_err(raised)?;
        let findings = done.findings;
        let dict = PyDict::new(py);
        for (name, mask) in masks {
            dict.set_item(name, PyByteArray::new(py, &mask))?;
        }
        let run = done.record.to_json();
        let report = findings.as_ref().map(|f| f.to_json()).transpose();
        let warnings = findings.as_ref().map_or(&[][..], |f| f.warnings.as_slice());
        Ok(Segmented {
            case,
            shape,
            affine: affine.map(|a| a.0),
            masks: dict,
            report: report.map_err(|e| Error::new_err(e.to_string()))?,
            run: run.map_err(|e| Error::new_err(e.to_string()))?,
            warnings: warnings
                .iter()
                .map(|WarningEntry { code, text }| (code.clone(), text.clone()))
                .collect(),
        })
    }
}

/// Voxels as a file, for their fingerprint.
fn in_memory<'a>(name: &str, bytes: &'a [u8]) -> io::File<'a> {
    io::File {
        name: name.to_string(),
        bytes: bytes.into(),
    }
}

/// Looks for Ctrl-C, then tells the callback.
fn tell(progress: Option<&Py<PyAny>>, step: Step) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        match progress {
            Some(callback) => callback.call1(py, (step.part, step.label)).map(drop),
            None => Ok(()),
        }
    })
}

fn set_lungs(analysis: &mut Analysis, lungs: Lungs, limits: &Limits) -> Result<(), AnalysisError> {
    match lungs {
        Lungs::File(path) => {
            let name = path.to_string_lossy();
            let bytes = io::path::read(&path)?;
            let mask = io::nifti::read_labels(&name, &bytes, limits)?;
            analysis.set_lungs(&name, mask)
        }
        Lungs::Labels((labels, dims)) => {
            let name = "the lung mask";
            // A picture has no place, and refuses the mask.
            let affine = analysis.affine();
            let affine = affine.unwrap_or_else(|| Affine::from_spacing([1.0; 3]));
            let mask = Volume::new(labels.to_vec(), dims, affine);
            let mask = mask.map_err(|e| io::IoError::Array {
                file: name.into(),
                problem: e.to_string(),
            })?;
            analysis.set_lungs(name, mask)
        }
    }
}

/// The case's name that results of this file or folder have.
#[pyfunction]
fn case_name(path: PathBuf) -> String {
    io::case_name(&io::path::name(&path))
}

/// A mask as the file that the command line writes: gzipped NIfTI, or PNG where there is no affine.
#[pyfunction]
#[pyo3(signature = (name, voxels, shape, affine=None))]
fn file<'py>(
    py: Python<'py>,
    name: &str,
    voxels: PyBackedBytes,
    shape: [usize; 3],
    affine: Option<Rows>,
) -> PyResult<Bound<'py, pyo3::types::PyBytes>> {
    let place = affine.map_or_else(|| Affine::from_spacing([1.0; 3]), Affine);
    let bytes = py.detach(|| -> Result<Vec<u8>, String> {
        let mask = Volume::new(voxels.to_vec(), shape, place).map_err(|e| e.to_string())?;
        encode(name, mask, affine.is_none()).map_err(|e| e.to_string())
    });
    let bytes = bytes.map_err(InputError::new_err)?;
    Ok(pyo3::types::PyBytes::new(py, &bytes))
}

/// The module.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{Engine, EngineError, Error, InputError, case_name, file};

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
