//! A network's parameters by path: filling them from anywhere, reading them out.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// A parameter's shape and row-major values.
pub type Values = (Vec<usize>, Vec<f32>);

/// Gives the values of the parameter at a path, of a shape.
type Source<'a, E> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, E> + 'a;

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
        let name = self.path.join(".");
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
            self.found.insert(self.path.join("."), (shape, values));
        }
    }
}

/// All float parameters and running statistics by path. Reads synchronously: native only.
pub fn read<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, Values> {
    let mut read = Read::default();
    module.visit(&mut read);
    read.found
}
