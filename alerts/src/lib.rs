//! Risks to alerts: policy, technical alerts, evidence and ids.
