//! Machine-learning libraries, by the names of their packages.
//!
//! Owns the list. A library stands in it when it is used for little else, so that finding it is
//! evidence of machine learning. It says nothing about how the library is used.

use super::dependencies::Ecosystem;

/// Packages of PyPI and conda, in PEP 503 form, with the library that each belongs to.
const PYTHON: &[(&str, &str)] = &[
    ("accelerate", "accelerate"),
    ("autogluon", "autogluon"),
    ("bentoml", "bentoml"),
    ("bitsandbytes", "bitsandbytes"),
    ("catboost", "catboost"),
    ("clearml", "clearml"),
    ("deepspeed", "deepspeed"),
    ("diffusers", "diffusers"),
    ("dvc", "dvc"),
    ("evidently", "evidently"),
    ("fastai", "fastai"),
    ("feast", "feast"),
    ("flax", "flax"),
    ("haystack-ai", "haystack"),
    ("jax", "jax"),
    ("keras", "keras"),
    ("kfp", "kubeflow"),
    ("kubeflow", "kubeflow"),
    ("kubeflow-training", "kubeflow"),
    ("langchain", "langchain"),
    ("langchain-community", "langchain"),
    ("langchain-core", "langchain"),
    ("langgraph", "langgraph"),
    ("lightgbm", "lightgbm"),
    ("lightning", "lightning"),
    ("llama-cpp-python", "llama.cpp"),
    ("llama-index", "llama-index"),
    ("metaflow", "metaflow"),
    ("mlflow", "mlflow"),
    ("mlflow-skinny", "mlflow"),
    ("onnx", "onnx"),
    ("onnxruntime", "onnxruntime"),
    ("onnxruntime-gpu", "onnxruntime"),
    ("optuna", "optuna"),
    ("paddlepaddle", "paddlepaddle"),
    ("peft", "peft"),
    ("pytorch", "torch"),
    ("pytorch-lightning", "lightning"),
    ("ray", "ray"),
    ("sagemaker", "sagemaker"),
    ("scikit-learn", "scikit-learn"),
    ("seldon-core", "seldon-core"),
    ("sentence-transformers", "sentence-transformers"),
    ("sklearn", "scikit-learn"),
    ("spacy", "spacy"),
    ("stable-baselines3", "stable-baselines3"),
    ("tensorflow", "tensorflow"),
    ("tensorflow-cpu", "tensorflow"),
    ("tensorflow-gpu", "tensorflow"),
    ("timm", "timm"),
    ("torch", "torch"),
    ("torchaudio", "torch"),
    ("torchserve", "torchserve"),
    ("torchvision", "torch"),
    ("transformers", "transformers"),
    ("tritonclient", "triton"),
    ("trl", "trl"),
    ("ultralytics", "ultralytics"),
    ("vllm", "vllm"),
    ("wandb", "wandb"),
    ("xgboost", "xgboost"),
    ("zenml", "zenml"),
];

/// Packages of npm.
const NPM: &[(&str, &str)] = &[
    ("@huggingface/transformers", "transformers"),
    ("@langchain/core", "langchain"),
    ("@langchain/langgraph", "langgraph"),
    ("@tensorflow/tfjs", "tensorflow"),
    ("@tensorflow/tfjs-node", "tensorflow"),
    ("@xenova/transformers", "transformers"),
    ("brain.js", "brain.js"),
    ("langchain", "langchain"),
    ("llamaindex", "llama-index"),
    ("onnxruntime-node", "onnxruntime"),
    ("onnxruntime-web", "onnxruntime"),
];

/// Crates.
const CARGO: &[(&str, &str)] = &[
    ("burn", "burn"),
    ("candle-core", "candle"),
    ("candle-nn", "candle"),
    ("linfa", "linfa"),
    ("mistralrs", "mistral.rs"),
    ("ort", "onnxruntime"),
    ("smartcore", "smartcore"),
    ("tch", "torch"),
    ("tensorflow", "tensorflow"),
    ("tract-onnx", "onnx"),
];

/// Go modules.
const GO: &[(&str, &str)] = &[
    ("github.com/tmc/langchaingo", "langchain"),
    ("github.com/yalue/onnxruntime_go", "onnxruntime"),
    ("gorgonia.org/gorgonia", "gorgonia"),
];

/// Maven artifacts.
const MAVEN: &[(&str, &str)] = &[
    ("deeplearning4j-core", "deeplearning4j"),
    ("langchain4j", "langchain4j"),
    ("onnxruntime", "onnxruntime"),
    ("spark-mllib_2.12", "spark-mllib"),
    ("spark-mllib_2.13", "spark-mllib"),
    ("tensorflow-core-api", "tensorflow"),
    ("tensorflow-core-platform", "tensorflow"),
    ("xgboost4j", "xgboost"),
    ("xgboost4j_2.12", "xgboost"),
];

/// The library that a package belongs to, if it is a known one.
pub(super) fn library(ecosystem: Ecosystem, package: &str) -> Option<&'static str> {
    let (list, package) = match ecosystem {
        Ecosystem::Python => (PYTHON, pep503(package)),
        Ecosystem::Npm => (NPM, package.to_owned()),
        Ecosystem::Cargo => (CARGO, package.to_owned()),
        Ecosystem::Go => (GO, package.to_owned()),
        Ecosystem::Maven => (MAVEN, package.to_owned()),
    };
    list.iter().find(|(name, _)| *name == package).map(|(_, library)| *library)
}

/// A Python package's name in the one form that PEP 503 defines: lower case, with each run of
/// `-`, `_` and `.` as one `-`.
fn pep503(name: &str) -> String {
    let lower = name.to_lowercase();
    lower.split(['-', '_', '.']).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Ecosystem::Python, "Scikit_Learn", Some("scikit-learn"))]
    #[case(Ecosystem::Python, "torchvision", Some("torch"))]
    #[case(Ecosystem::Python, "torchfoo", None)]
    #[case(Ecosystem::Python, "numpy", None)]
    #[case(Ecosystem::Python, "ray", Some("ray"))]
    #[case(Ecosystem::Cargo, "ray", None)]
    #[case(Ecosystem::Npm, "@tensorflow/tfjs", Some("tensorflow"))]
    fn packages_are_known_by_their_ecosystem(#[case] ecosystem: Ecosystem, #[case] package: &str, #[case] expected: Option<&str>) {
        assert_eq!(library(ecosystem, package), expected);
    }

    #[test]
    fn python_names_are_listed_in_the_form_they_are_compared_in() {
        assert!(PYTHON.iter().all(|(name, _)| pep503(name) == *name));
    }
}
