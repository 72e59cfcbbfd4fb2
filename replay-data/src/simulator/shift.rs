//! How far each phase of an illness moves each value, at full severity.
//!
//! Sizes are textbook orders of magnitude, chosen so that a full-blown case crosses the published
//! thresholds (Sepsis-3, NEWS2, SOFA) and a mild one does not. They are the simulator's assumptions,
//! not measurements.

use super::course::{Benign, Scenario};

macro_rules! shift {
    ($($field:ident),*) => {
        /// Changes against the person's usual values: plain differences, or logarithms of a factor
        /// for the fields that end in `_log`.
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub(crate) struct Shift { $(pub $field: f64),* }

        impl Shift {
            /// Adds `weight` times another shift, each field further weighted by `tilt(index)`.
            pub(crate) fn add(&mut self, other: &Shift, weight: f64, tilt: impl Fn(u64) -> f64) {
                let mut index = 0;
                $(
                    if other.$field != 0.0 {
                        self.$field += other.$field * weight * tilt(index);
                    }
                    index += 1;
                )*
                let _ = index;
            }
        }
    };
}

shift!(
    heart_rate,
    map,
    pulse_pressure,
    resp_rate,
    spo2,
    temperature,
    etco2,
    gcs,
    fio2,
    lactate,
    wbc_log,
    platelets_log,
    creatinine_log,
    bun_log,
    bilirubin_log,
    bicarbonate,
    paco2,
    hemoglobin,
    glucose,
    ast_log,
    inr_log,
    albumin,
    potassium,
    inflammation,
    shunt
);

/// The four shifts of a scenario.
#[derive(Debug)]
pub(crate) struct Signature {
    /// Vital signs of the prodrome.
    pub early: Shift,
    /// Laboratory values of the prodrome.
    pub early_labs: Shift,
    /// Vital signs of the acute phase, on top.
    pub acute: Shift,
    /// Laboratory values of the acute phase, on top.
    pub acute_labs: Shift,
    /// What treatment brings back.
    pub treated: Shift,
}

const NONE: Shift = Shift {
    heart_rate: 0.0,
    map: 0.0,
    pulse_pressure: 0.0,
    resp_rate: 0.0,
    spo2: 0.0,
    temperature: 0.0,
    etco2: 0.0,
    gcs: 0.0,
    fio2: 0.0,
    lactate: 0.0,
    wbc_log: 0.0,
    platelets_log: 0.0,
    creatinine_log: 0.0,
    bun_log: 0.0,
    bilirubin_log: 0.0,
    bicarbonate: 0.0,
    paco2: 0.0,
    hemoglobin: 0.0,
    glucose: 0.0,
    ast_log: 0.0,
    inr_log: 0.0,
    albumin: 0.0,
    potassium: 0.0,
    inflammation: 0.0,
    shunt: 0.0,
};

const SILENT: Signature =
    Signature { early: NONE, early_labs: NONE, acute: NONE, acute_labs: NONE, treated: NONE };

static SEPSIS: Signature = Signature {
    early: Shift {
        heart_rate: 20.0,
        map: -9.0,
        pulse_pressure: 2.0,
        resp_rate: 6.0,
        spo2: -1.8,
        temperature: 1.5,
        etco2: -3.0,
        gcs: -0.6,
        fio2: 8.0,
        ..NONE
    },
    early_labs: Shift {
        lactate: 1.1,
        wbc_log: 0.6,
        platelets_log: -0.4,
        creatinine_log: 0.45,
        bun_log: 0.3,
        bilirubin_log: 0.5,
        bicarbonate: -3.0,
        paco2: -5.0,
        glucose: 25.0,
        ast_log: 0.4,
        inr_log: 0.15,
        albumin: -0.4,
        inflammation: 0.8,
        shunt: 0.35,
        ..NONE
    },
    acute: Shift {
        heart_rate: 17.0,
        map: -16.0,
        pulse_pressure: -4.0,
        resp_rate: 7.0,
        spo2: -2.5,
        temperature: 0.3,
        etco2: -4.0,
        gcs: -1.4,
        ..NONE
    },
    acute_labs: Shift {
        lactate: 2.6,
        wbc_log: 0.15,
        platelets_log: -0.4,
        creatinine_log: 0.45,
        bun_log: 0.25,
        bilirubin_log: 0.5,
        bicarbonate: -3.5,
        paco2: -3.0,
        ast_log: 0.5,
        inr_log: 0.15,
        potassium: 0.3,
        inflammation: 0.3,
        shunt: 0.25,
        ..NONE
    },
    treated: Shift {
        map: 13.0,
        heart_rate: -8.0,
        lactate: -1.4,
        spo2: 2.0,
        fio2: 12.0,
        temperature: -0.5,
        ..NONE
    },
};

static HAEMORRHAGE: Signature = Signature {
    early: Shift {
        heart_rate: 13.0,
        map: -5.0,
        pulse_pressure: -8.0,
        resp_rate: 2.5,
        temperature: -0.2,
        etco2: -1.5,
        ..NONE
    },
    early_labs: Shift { hemoglobin: -1.5, lactate: 0.5, platelets_log: -0.1, bicarbonate: -1.0, ..NONE },
    acute: Shift {
        heart_rate: 34.0,
        map: -26.0,
        pulse_pressure: -13.0,
        resp_rate: 7.0,
        spo2: -2.0,
        temperature: -0.4,
        etco2: -10.0,
        gcs: -1.0,
        ..NONE
    },
    acute_labs: Shift {
        hemoglobin: -2.4,
        lactate: 3.8,
        platelets_log: -0.35,
        bicarbonate: -5.0,
        paco2: -3.0,
        creatinine_log: 0.2,
        inr_log: 0.25,
        potassium: 0.3,
        glucose: 30.0,
        ..NONE
    },
    treated: Shift {
        map: 16.0,
        heart_rate: -16.0,
        hemoglobin: 2.0,
        lactate: -1.5,
        etco2: 5.0,
        pulse_pressure: 8.0,
        ..NONE
    },
};

static RESPIRATORY: Signature = Signature {
    early: Shift {
        heart_rate: 11.0,
        map: 2.0,
        resp_rate: 8.0,
        spo2: -2.8,
        fio2: 18.0,
        temperature: 0.2,
        ..NONE
    },
    early_labs: Shift { paco2: -3.0, shunt: 0.8, wbc_log: 0.1, lactate: 0.2, inflammation: 0.25, ..NONE },
    acute: Shift { heart_rate: 18.0, map: 3.0, resp_rate: 9.0, spo2: -11.0, etco2: 8.0, gcs: -0.8, ..NONE },
    acute_labs: Shift { paco2: 16.0, shunt: 0.9, lactate: 0.8, ..NONE },
    treated: Shift {
        spo2: 8.0,
        fio2: 32.0,
        resp_rate: -7.0,
        heart_rate: -8.0,
        map: -5.0,
        paco2: -8.0,
        etco2: -5.0,
        ..NONE
    },
};

static SEIZURE: Signature = Signature {
    acute: Shift {
        heart_rate: 26.0,
        map: 14.0,
        pulse_pressure: 8.0,
        resp_rate: 5.0,
        spo2: -2.5,
        gcs: -4.0,
        ..NONE
    },
    ..SILENT
};

static HYPOGLYCAEMIA: Signature = Signature {
    acute: Shift { heart_rate: 14.0, map: 4.0, pulse_pressure: 8.0, resp_rate: 1.5, gcs: -1.2, ..NONE },
    ..SILENT
};

static NOTHING: Signature = SILENT;

impl Scenario {
    pub(crate) fn signature(self) -> &'static Signature {
        match self {
            Self::Stable | Self::ArtefactRidden => &NOTHING,
            Self::Sepsis => &SEPSIS,
            Self::HaemorrhagicShock => &HAEMORRHAGE,
            Self::RespiratoryFailure => &RESPIRATORY,
            Self::Seizure => &SEIZURE,
            Self::Hypoglycaemia => &HYPOGLYCAEMIA,
        }
    }
}

static FEVER: Shift = Shift {
    temperature: 1.5,
    heart_rate: 15.0,
    resp_rate: 3.0,
    map: -2.0,
    wbc_log: 0.22,
    inflammation: 0.35,
    ..NONE
};
static DESATURATION: Shift = Shift { spo2: -5.5, heart_rate: 7.0, resp_rate: 4.0, fio2: 4.0, ..NONE };
static TACHYCARDIA: Shift =
    Shift { heart_rate: 30.0, map: -2.0, pulse_pressure: -4.0, resp_rate: 1.5, lactate: 0.25, ..NONE };
static HYPOTENSION: Shift =
    Shift { map: -14.0, heart_rate: -2.0, pulse_pressure: -5.0, lactate: 0.2, ..NONE };
static PAIN: Shift = Shift {
    heart_rate: 18.0,
    map: 16.0,
    pulse_pressure: 12.0,
    resp_rate: 6.0,
    glucose: 10.0,
    wbc_log: 0.05,
    ..NONE
};
static MEAL: Shift = Shift { glucose: 55.0, heart_rate: 3.0, ..NONE };

impl Benign {
    pub(crate) fn shift(self) -> &'static Shift {
        match self {
            Self::Fever => &FEVER,
            Self::Desaturation => &DESATURATION,
            Self::Tachycardia => &TACHYCARDIA,
            Self::Hypotension => &HYPOTENSION,
            Self::Pain => &PAIN,
            Self::Meal => &MEAL,
        }
    }
}
