//! The networks, loaded and ready on one device.

use crate::infnet::classes::{ClassesConfig, ClassesNet};
use crate::infnet::{InfNet, InfNetConfig, slices};
use crate::nn::Builder;
use crate::nn::kernels::Kernels;
use crate::nn::params::fill;
use crate::normnet::model::{NormNet, NormNetConfig};
use crate::plane::Plane;
use crate::weights::tensors::TensorFile;
use crate::weights::{Entry, Network, WeightsError};
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::ExecutionError;
use burn::tensor::{Tensor, TensorData};

/// What can go wrong while networks are loaded or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A weight file is not what the manifest promises.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A network that a step needs has not been loaded.
    #[error("{network} is not loaded: load its weights first")]
    NotLoaded {
        /// The network.
        network: &'static str,
    },
    /// The device gave no result.
    #[error("the device stopped answering: {problem}; try again, or run on the CPU")]
    Device {
        /// What the device says.
        problem: String,
    },
    /// The input does not have the shape that the network takes.
    #[error("{network} takes {expected} values at once, not {found}")]
    Input {
        /// The network.
        network: &'static str,
        /// Values that it takes.
        expected: usize,
        /// Values given.
        found: usize,
    },
}

struct LoadedInfNet<B: Kernels> {
    net: InfNet<B>,
    side: usize,
    temperature: f64,
}

/// What Inf-Net says of one slice: square planes of the network's side.
pub struct SliceResult {
    /// Infection probability × 255.
    pub probability: Vec<u8>,
    /// 1 ground glass, 2 consolidation, wherever the class network ran; empty where it did not.
    pub classes: Vec<u8>,
}

/// Networks on a device of the backend `B`.
pub struct Engine<B: Kernels> {
    device: B::Device,
    infnet: Option<LoadedInfNet<B>>,
    classes: Option<(ClassesNet<B>, usize)>,
    normnets: Vec<(String, NormNet<B>, [usize; 3])>,
}

/// A slice's largest probability from which the class network is asked.
const INFECTED: u8 = 128;

impl<B: Kernels> Engine<B> {
    /// An engine without networks.
    pub fn new(device: B::Device) -> Self {
        Engine {
            device,
            infnet: None,
            classes: None,
            normnets: Vec::new(),
        }
    }

    /// Loads a weight file after checking its size and SHA-256 against its entry.
    ///
    /// # Errors
    /// If the bytes are not the entry's, or are not that network's parameters.
    pub fn load(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), EngineError> {
        entry.verify(bytes)?;
        let file = TensorFile::from_bytes(&entry.file, bytes)?;
        let mut build = Builder::<B>::loading(true, &self.device);
        let source = |name: &str, shape: &[usize]| file.f32(name, shape);
        match entry.network {
            Network::Infnet => {
                let config: InfNetConfig = entry.config()?;
                let net = fill(InfNet::new(&mut build, &config), source)?;
                self.infnet = Some(LoadedInfNet {
                    net,
                    side: config.side,
                    temperature: entry.temperature,
                });
            }
            Network::Classes => {
                let config: ClassesConfig = entry.config()?;
                let net = fill(ClassesNet::new(&mut build, &config), source)?;
                self.classes = Some((net, config.side));
            }
            Network::Normnet => {
                let config: NormNetConfig = entry.config()?;
                let extent = entry.extent3()?;
                let net = fill(NormNet::new(&mut build, &config), source)?;
                self.normnets.retain(|(name, ..)| *name != entry.name);
                self.normnets.push((entry.name.clone(), net, extent));
            }
            Network::Lungs => {}
        }
        Ok(())
    }

    /// Whether the class network is loaded.
    pub fn has_classes(&self) -> bool {
        self.classes.is_some()
    }

    /// The side of Inf-Net's input.
    pub fn side(&self) -> Result<usize, EngineError> {
        let net = self.infnet.as_ref();
        net.map(|n| n.side)
            .ok_or(EngineError::NotLoaded { network: "Inf-Net" })
    }

    /// One NormNet model on one slab of intensities `[z, y, x]`: probability of being healthy
    /// × 255.
    pub async fn slab(&self, model: &str, slab: &[f32]) -> Result<Vec<u8>, EngineError> {
        let loaded = self.normnets.iter().find(|(name, ..)| name == model);
        let Some((_, net, [z, y, x])) = loaded else {
            return Err(EngineError::NotLoaded { network: "NormNet" });
        };
        check("NormNet", z * y * x, slab.len())?;
        let data = TensorData::new(slab.to_vec(), [1, 1, *z, *y, *x]);
        let logits = net.forward(Tensor::<B, 5>::from_data(data, &self.device));
        Ok(to_bytes(&read(sigmoid(logits)).await?))
    }

    /// Inf-Net, and the class network where it is loaded and there is infection, on one grey
    /// slice of any size.
    pub async fn slice(&self, grey: &Plane<u8>) -> Result<SliceResult, EngineError> {
        let Some(infnet) = &self.infnet else {
            return Err(EngineError::NotLoaded { network: "Inf-Net" });
        };
        let input = slices::network_input(grey, infnet.side);
        let shape = [1, 3, infnet.side, infnet.side];
        let image = Tensor::<B, 4>::from_data(TensorData::new(input, shape), &self.device);
        let logits = infnet.net.forward(image).s3;
        let map = sigmoid(logits.div_scalar(infnet.temperature));
        let probability = to_bytes(&read(map).await?);
        let mut classes = Vec::new();
        if let Some((net, side)) = &self.classes
            && probability.iter().any(|&p| p >= INFECTED)
        {
            classes = self
                .classify(net, *side, grey, &probability, infnet.side)
                .await?;
        }
        Ok(SliceResult {
            probability,
            classes,
        })
    }

    /// Ground glass (1) or consolidation (2) for every pixel of the network's square.
    async fn classify(
        &self,
        net: &ClassesNet<B>,
        side: usize,
        grey: &Plane<u8>,
        probability: &[u8],
        map_side: usize,
    ) -> Result<Vec<u8>, EngineError> {
        check("the class network", map_side * map_side, probability.len())?;
        let map = Plane::from_fn([map_side; 2], |x, y| probability[y * map_side + x]);
        let mut input = slices::network_input(grey, side);
        input.extend(slices::network_input(&map, side));
        let data = TensorData::new(input, [1, 6, side, side]);
        let logits = net.forward(Tensor::<B, 4>::from_data(data, &self.device));
        let values = read(logits).await?;
        let (glass, solid) = values.split_at(side * side);
        let labels: Vec<u8> = glass
            .iter()
            .zip(solid)
            .map(|(g, s)| 1 + u8::from(s > g))
            .collect();
        let labels = Plane::from_fn([side; 2], |x, y| labels[y * side + x]);
        Ok(labels.resize_nearest([map_side; 2]).into_data())
    }
}

fn check(network: &'static str, expected: usize, found: usize) -> Result<(), EngineError> {
    match expected == found {
        true => Ok(()),
        false => Err(EngineError::Input {
            network,
            expected,
            found,
        }),
    }
}

async fn read<B: Kernels, const D: usize>(tensor: Tensor<B, D>) -> Result<Vec<f32>, EngineError> {
    let problem = |problem: String| EngineError::Device { problem };
    let data = tensor.into_data_async().await;
    let data = data.map_err(|e: ExecutionError| problem(e.to_string()))?;
    data.convert::<f32>()
        .into_vec()
        .map_err(|e| problem(format!("{e:?}")))
}

fn to_bytes(probability: &[f32]) -> Vec<u8> {
    probability
        .iter()
        .map(|p| (p * 255.0).round() as u8)
        .collect()
}
