// What the fills need to know of a law; the core folds a law into it, once for a tensor.
#pragma once

struct Law {
  double scale = 1, shift = 0;  // the last step: scale * symmetric variate + shift
  // Of a normal within two ends: the probability between them, and twice those below and above; numbers stay in
  // [low, high]. When the ends are symmetric, `between` is P(|z| <= cut) and `below` is the rest.
  double below = 0, between = 1, above = 0, low = 0, high = 0;
};
