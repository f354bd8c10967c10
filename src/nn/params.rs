//! A network's parameters by path: filling them from anywhere, reading them out.

use super::Builder;
use super::filter::{Packed, names_form};
use super::kernels::Kernels;
use crate::weights::WeightsError;
use crate::weights::tensors::TensorFile;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};
use std::collections::BTreeMap;

/// A parameter's shape and row-major values.
pub type Values = (Vec<usize>, Vec<f32>);

/// Gives the values of the parameter at a path, of a shape.
type Source<'a, E> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, E> + 'a;

/// A parameter's name in files: its path without the form of its weights.
fn file_name(path: &[String]) -> String {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let known = parts.into_iter().filter(|part| !names_form(part));
    known.collect::<Vec<_>>().join(".")
}

struct Fill<'a, E> {
    path: Vec<String>,
    source: &'a mut Source<'a, E>,
    error: Option<E>,
}

impl<B: Backend, E> ModuleMapper<B> for Fill<'_, E> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.error.is_some() {
            return param;
        }
        let (id, tensor, mapper) = param.consume();
        let dims = tensor.dims();
        let name = file_name(&self.path);
        let tensor = match (self.source)(&name, &dims) {
            Ok(values) if values.len() == dims.iter().product::<usize>() => {
                let grad = tensor.is_require_grad();
                let new = Tensor::from_data(TensorData::new(values, dims), &tensor.device());
                if grad { new.require_grad() } else { new }
            }
            Ok(values) => unreachable!(
                "the source of {name} gave {} values for the shape {dims:?}",
                values.len()
            ),
            Err(error) => {
                self.error = Some(error);
                tensor
            }
        };
        Param::from_mapped_value(id, tensor, mapper)
    }
}

/// Replaces every float parameter and running statistic by what `source(path, shape)` gives.
///
/// # Errors
/// The first error of `source`.
///
/// # Panics
/// If `source` returns another number of values than the shape holds.
pub fn fill<B: Backend, M: Module<B>, E>(
    module: M,
    mut source: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
) -> Result<M, E> {
    let mut fill = Fill {
        path: Vec::new(),
        source: &mut source,
        error: None,
    };
    let module = module.map(&mut fill);
    match fill.error {
        Some(error) => Err(error),
        None => Ok(module),
    }
}

/// Loads every parameter of a network that `build` has put together from a weight file: floats as
/// floats, packed weights in the order of the backend's kernels.
///
/// # Errors
/// If a tensor is missing, has another shape, or is not stored as int8 where it is to be packed.
pub fn load<B: Kernels, M: Module<B>>(
    module: M,
    build: &Builder<B>,
    file: &TensorFile,
) -> Result<M, WeightsError> {
    // The codes first: each knows its shape, and its scales come with it.
    let mut load = Load {
        path: Vec::new(),
        build,
        file,
        scales: BTreeMap::new(),
        error: None,
    };
    let module = module.map(&mut load);
    if let Some(error) = load.error {
        return Err(error);
    }
    let scales = load.scales;
    fill(module, |name, shape| match scales.get(name) {
        Some(scale) if shape == [scale.len()] => Ok(scale.clone()),
        _ => file.f32(name, shape),
    })
}

struct Load<'a, B: Backend> {
    path: Vec<String>,
    build: &'a Builder<B>,
    file: &'a TensorFile,
    /// The scales of the packed weights, by their parameters' names.
    scales: BTreeMap<String, Vec<f32>>,
    error: Option<WeightsError>,
}

impl<B: Kernels> ModuleMapper<B> for Load<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn map_int<const D: usize>(
        &mut self,
        param: Param<Tensor<B, D, Int>>,
    ) -> Param<Tensor<B, D, Int>> {
        let (id, tensor, mapper) = param.consume();
        let name = file_name(&self.path);
        let name = name.strip_suffix(".codes").unwrap_or(&name);
        let mut tensor = tensor;
        if let Some(shape) = self.build.packed_shape(id) {
            let axis = usize::from(shape.transposed);
            match self.file.channel_int8(name, &shape.shape, axis) {
                Ok(int8) => {
                    let words = B::arrange(shape, &int8.data);
                    let mut dims = [1; D];
                    dims[D - 1] = words.len();
                    tensor = Packed::<B>::words(words, &tensor.device()).reshape(dims);
                    self.scales
                        .insert(format!("{name}.scale"), int8.scale.clone());
                }
                Err(error) => self.error = Some(error),
            }
        }
        Param::from_mapped_value(id, tensor, mapper)
    }
}

#[derive(Default)]
struct Read {
    path: Vec<String>,
    found: BTreeMap<String, Values>,
}

impl<B: Backend> ModuleVisitor<B> for Read {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f32>().into_vec();
        // Parameters are f32 by construction.
        if let Ok(values) = values {
            self.found.insert(file_name(&self.path), (shape, values));
        }
    }
}

#[cfg(feature = "train")]
#[derive(Default)]
struct Names {
    path: Vec<String>,
    found: BTreeMap<String, String>,
}

#[cfg(feature = "train")]
impl<B: Backend> ModuleVisitor<B> for Names {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }
    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.found
            .insert(param.id.serialize(), file_name(&self.path));
    }
}

/// The name in files of every float parameter, by its id.
#[cfg(feature = "train")]
pub fn names<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, String> {
    let mut names = Names::default();
    module.visit(&mut names);
    names.found
}

/// All float parameters and running statistics by path. Reads synchronously: native only.
pub fn read<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, Values> {
    let mut read = Read::default();
    module.visit(&mut read);
    read.found
}
