/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_GRAD_H
#define NN_GRAD_H

#include "nn-kernels.h"

/*
 * Training: forward over a batch with a tape, backward from the tape, losses, Adam. Same rules as nn-kernels.h.
 *
 * One update of a stream-form predictor with truncated back-propagation through time:
 *
 *   nn_recurrent_forward (&net, w, steps, batch, NN_EVERY_STEP, x, state, state, y, tape);   state is carried over
 *   loss = nn_loss_quantile (steps * batch, y, target, NULL, tau, 1.0 / (steps * batch), dy);
 *   memset (grad, 0, ...);
 *   nn_recurrent_backward (&net, w, steps, batch, NN_EVERY_STEP, x, y, dy, grad, tape);
 *   norm = nn_clip_norm (n_params, grad, 1.0);
 *   if (isfinite (norm)) nn_adam_update (&adam, n_params, w, grad, m, v);
 */

typedef enum
{
  NN_LAST_STEP,                 /* y: (batch, outputs), from the last step (window form) */
  NN_EVERY_STEP,                /* y: (steps, batch, outputs) (stream form) */
} NnSteps;

/* Floats of a state: h (layers, batch, H), then c (layers, batch, H). To start sequence b anew, zero its rows in all
 * layers of both. */
size_t nn_lstm_state (const NnLstm * n, int batch);
void nn_lstm_state_reset (const NnLstm * n, int batch, float *state, int row);

/* Floats of the tape that forward writes and backward reads and uses as scratch. */
size_t nn_recurrent_tape (const NnRecurrent * n, int steps, int batch, NnSteps out);
size_t nn_dense_tape (const NnDense * n, int batch);

/* @x: (steps, batch, input). @state: initial state, NULL: zero. @state_out: final state or NULL; may be @state. */
void nn_recurrent_forward (const NnRecurrent * n, const float *params, int steps, int batch, NnSteps out,
    const float *x, const float *state, float *state_out, float *y, float *tape);

/* From @dy = dL/dy (shape of y) to @grad += dL/dparams (in the order of the parameters; the caller zeroes it). @x, @y
 * and @tape are those of the forward call, @params unchanged since. No gradient flows into the initial state. Once a
 * forward call: the tape is used up. */
void nn_recurrent_backward (const NnRecurrent * n, const float *params, int steps, int batch, NnSteps out,
    const float *x, const float *y, const float *dy, float *grad, float *tape);

/* @x: (batch, size[0]), @y: (batch, size[layers]). */
void nn_dense_forward_tape (const NnDense * n, const float *params, int batch, const float *x, float *y, float *tape);

/* @grad += dL/dparams; @dx: dL/dx (batch, size[0]), overwritten, or NULL. */
void nn_dense_backward (const NnDense * n, const float *params, int batch, const float *x, const float *y,
    const float *dy, float *grad, float *dx, float *tape);

/* Losses: return scale * sum_i w_i * l (y_i, t_i) and write @dy (may be NULL) = its gradient by y. @weight: (n) or
 * NULL for ones; scale = 1/n gives the mean. */
/* (y - t)^2 */
double nn_loss_mse (size_t n, const float *y, const float *target, const float *weight, double scale, float *dy);
/* e = y - t: e^2 / 2 where |e| <= delta, else delta * (|e| - delta / 2) (Huber 1964; PyTorch's HuberLoss) */
double nn_loss_huber (size_t n, const float *y, const float *target, const float *weight, double delta, double scale,
    float *dy);
/* e = t - y: max (tau * e, (tau - 1) * e), tau in 0..1; its minimiser is the tau quantile (Koenker, Bassett 1978).
 * tau < 0.5: too high costs more than too low. At e = 0 the gradient is 0. */
double nn_loss_quantile (size_t n, const float *y, const float *target, const float *weight, double tau, double scale,
    float *dy);

/* Euclidean norm, summed in double. */
double nn_norm (size_t n, const float *v);
/* Scales @grad down to norm @max_norm where it is longer; returns the norm before (not finite: @grad untouched). */
double nn_clip_norm (size_t n, float *grad, double max_norm);

/* Adam with bias correction and decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019):
 *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
 *   w -= lr * decay * w;  w -= lr * (m / (1 - b1^t)) / (sqrt (v / (1 - b2^t)) + eps)
 * as torch.optim.AdamW has it (decay 0: torch.optim.Adam). */
typedef struct
{
  double rate, beta1, beta2, epsilon, decay;
  long step;                    /* updates so far */
} NnAdam;

extern const NnAdam nn_adam_default;    /* 1e-3, 0.9, 0.999, 1e-8, 0; step 0 */

/* @m, @v: (n), zero before the first update. */
void nn_adam_update (NnAdam * a, size_t n, float *params, const float *grad, float *m, float *v);

#endif
