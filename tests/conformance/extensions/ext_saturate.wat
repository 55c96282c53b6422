;; Saturating conversion: every operator around every limit.
(module
  (func (export "i32.f32_s") (param f32) (result i32) (i32.trunc_sat_f32_s (local.get 0)))
  (func (export "i32.f32_u") (param f32) (result i32) (i32.trunc_sat_f32_u (local.get 0)))
  (func (export "i32.f64_s") (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))
  (func (export "i32.f64_u") (param f64) (result i32) (i32.trunc_sat_f64_u (local.get 0)))
  (func (export "i64.f32_s") (param f32) (result i64) (i64.trunc_sat_f32_s (local.get 0)))
  (func (export "i64.f32_u") (param f32) (result i64) (i64.trunc_sat_f32_u (local.get 0)))
  (func (export "i64.f64_s") (param f64) (result i64) (i64.trunc_sat_f64_s (local.get 0)))
  (func (export "i64.f64_u") (param f64) (result i64) (i64.trunc_sat_f64_u (local.get 0)))
  ;; Used at once, as an unsigned and as a signed number.
  (func (export "u.used") (param f64) (result i64)
    (i64.shr_u (i64.trunc_sat_f64_u (f64.mul (local.get 0) (f64.const 2))) (i64.const 3)))
  (func (export "s.used") (param f32) (result i32)
    (i32.div_s (i32.trunc_sat_f32_s (local.get 0)) (i32.const -7))))
;; each i32.f32_s
;; each i32.f32_u
;; each i32.f64_s
;; each i32.f64_u
;; each i64.f32_s
;; each i64.f32_u
;; each i64.f64_s
;; each i64.f64_u
;; each u.used
;; each s.used
;; invalid
(module (func (result i32) (i32.trunc_sat_f32_s (f64.const 0))))
;; invalid
(module (func (result i32) (i64.trunc_sat_f64_u (f64.const 0))))
;; invalid
(module (func (result i64) (i64.trunc_sat_f64_u)))
