/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_BITRATE_PREDICTOR_H
#define MLO_BITRATE_PREDICTOR_H

#include "mlo-features.h"
#include "mlo-random.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/* What its file is called in a folder of models. */
#define MLO_PREDICTOR_FILE "bitrate_predictor.safetensors"

/**
 * MloBitratePredictor: LSTM(10 -> H, L layers), its last hidden state through Linear(64) ReLU
 * Linear(32) ReLU Linear(1) Sigmoid, as a rate in [min_kbps, max_kbps]. Weights are const while in
 * use, so one predictor serves any number of streams and threads; each stream has a state.
 */
typedef struct _MloBitratePredictor MloBitratePredictor;
typedef struct _MloPredictorState MloPredictorState;

typedef enum
{
  MLO_FORM_STREAM,              /* one step a tick, state carried over */
  MLO_FORM_WINDOW,              /* the last 30 samples run again each tick */
} MloPredictorForm;

typedef struct
{
  guint hidden, layers;
  MloPredictorForm form;
  MloScaling scaling;
  double min_kbps, max_kbps;    /* range of the output */
  guint interval_ms;            /* tick it was trained for */
} MloPredictorConfig;

/* Random weights as PyTorch initialises them (uniform in +-1/sqrt(fan-in)). Never fails. */
MloBitratePredictor *mlo_bitrate_predictor_new (const MloPredictorConfig * config, MloRandom * random);
/* NULL and @error (MLO_ERROR, file and tensor named) when the file is not usable. Width and layers come from the
 * tensors' shapes. A bare PyTorch state_dict without metadata counts as the Python implementation's: scaling
 * reference, form window, output 2000 to 20000 kbit/s, interval 100 ms. Where a file holds
 * all matrices as F16 they are laid out as 16-bit integers: half the room, faster, outputs within 1e-4 of those of the
 * numbers themselves; what mlo_bitrate_predictor_parameters gives back is as rounded. */
MloBitratePredictor *mlo_bitrate_predictor_load (const char *path, GError ** error);
/* The same from tensors read elsewhere; @path: what the messages call them. */
MloBitratePredictor *mlo_bitrate_predictor_from_tensors (const char *path, const MloTensorFile * f, GError ** error);
/* (transfer full): as a file holds it, for more metadata; NULL and MLO_ERROR_NOT_FINITE where a parameter is not finite.
 * @path: what the message calls it. @training: text for the metadata key `training`, or NULL. */
MloTensorFile *mlo_bitrate_predictor_to_tensors (const MloBitratePredictor * p, const char *path, const char *training,
    GError ** error);
/* The same, written aside, synced, renamed. */
gboolean mlo_bitrate_predictor_save (const MloBitratePredictor * p, const char *path, const char *training, GError ** error);
/* The same shape and parameters in a network of its own, laid out for use. */
MloBitratePredictor *mlo_bitrate_predictor_copy (const MloBitratePredictor * p);
void mlo_bitrate_predictor_free (MloBitratePredictor * p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloBitratePredictor, mlo_bitrate_predictor_free)

const MloPredictorConfig *mlo_bitrate_predictor_config (const MloBitratePredictor * p);

/* All parameters as one flat block in the order of nn-kernels.h, for the optimiser; owned by @p, which from then on
 * computes from it (a loaded predictor had laid its weights out for the processor and is faster). Not while another
 * thread uses @p. */
float *mlo_bitrate_predictor_parameters (MloBitratePredictor * p, gsize * count);
/* The same numbers in a block of the caller's, as many as the other counts. */
void mlo_bitrate_predictor_copy_parameters (const MloBitratePredictor * p, float *to);

/* NULL: not enough memory. */
MloPredictorState *mlo_predictor_state_new (const MloBitratePredictor * p);
void mlo_predictor_state_free (MloPredictorState * s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloPredictorState, mlo_predictor_state_free)
/* Zero hidden state, empty history: at the start and at a discontinuity. */
void mlo_predictor_state_reset (MloPredictorState * s);

/* One tick: takes the sample in and returns the predicted rate in kbit/s, or a negative number when the output
 * is not finite (the state is then reset). RT safe: nothing allocated. */
double mlo_bitrate_predictor_step (const MloBitratePredictor * p, MloPredictorState * s, const MloSample * sample);

/* The features that the last step fed in (the newest row), for recording. */
const float *mlo_predictor_state_features (const MloPredictorState * s);

G_END_DECLS
#endif
