;; Sign extension: every operator on every sort of value.
(module
  (func (export "i32.extend8_s") (param i32) (result i32) (i32.extend8_s (local.get 0)))
  (func (export "i32.extend16_s") (param i32) (result i32) (i32.extend16_s (local.get 0)))
  (func (export "i64.extend8_s") (param i64) (result i64) (i64.extend8_s (local.get 0)))
  (func (export "i64.extend16_s") (param i64) (result i64) (i64.extend16_s (local.get 0)))
  (func (export "i64.extend32_s") (param i64) (result i64) (i64.extend32_s (local.get 0)))
  ;; On values that have not wrapped yet, and on a comparison's.
  (func (export "i32.sum") (param i32) (result i32)
    (i32.extend8_s (i32.mul (i32.add (local.get 0) (i32.const 0x7fffffff)) (i32.const 0x7f01))))
  (func (export "i64.sum") (param i64) (result i64)
    (i64.extend32_s (i64.mul (i64.add (local.get 0) (i64.const 0x7fffffffffffffff)) (i64.const 0x7f01))))
  (func (export "i32.bool") (param i32) (result i32) (i32.extend16_s (i32.eqz (local.get 0))))
  (func (export "i64.wide") (param i32) (result i64) (i64.extend32_s (i64.extend_i32_u (local.get 0)))))
;; each i32.extend8_s
;; each i32.extend16_s
;; each i64.extend8_s
;; each i64.extend16_s
;; each i64.extend32_s
;; each i32.sum
;; each i64.sum
;; each i32.bool
;; each i64.wide
;; invalid
(module (func (result i64) (i64.extend32_s (i32.const 0))))
;; invalid
(module (func (result i32) (i32.extend8_s (i64.const 0))))
;; invalid
(module (func (result i32) (i64.extend8_s (i64.const 0))))
;; invalid
(module (func (result i32) (i32.extend8_s)))
