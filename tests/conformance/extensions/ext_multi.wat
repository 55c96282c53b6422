;; Several values: of functions, into and out of blocks, along every kind of branch.
(module
  (type $pair (func (result i32 i64)))
  (type $swap (func (param i32 i64) (result i64 i32)))
  (table 3 funcref)
  (elem (i32.const 0) $pair $swap $other)
  (global $g (mut i32) (i32.const 0))
  (func $pair (export "pair") (type $pair) (i32.const -5) (i64.const 0x8000000000000001))
  (func $other (type $pair) (i32.const 7) (i64.const 8))
  (func $swap (export "swap") (type $swap) (local.get 1) (local.get 0))
  (func (export "all") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
    (local.get 3) (local.get 2) (local.get 1) (local.get 0))
  (func $divmod (export "divmod") (param i32 i32) (result i32 i32)
    (i32.div_u (local.get 0) (local.get 1)) (i32.rem_u (local.get 0) (local.get 1)))
  (func (export "sum-of-divmod") (param i32 i32) (result i32)
    (i32.add (call $divmod (local.get 0) (local.get 1))))
  (func (export "called") (param i32) (result i32 i64) (call_indirect (type $pair) (local.get 0)))
  (func (export "swapped") (result i64 i32) (call $pair) (call_indirect (type $swap) (i32.const 1)))
  (func (export "block") (param i32) (result i32 i32)
    (local.get 0) (i32.const 10)
    (block (param i32 i32) (result i32 i32)
      (i32.add) (i32.const 3) (br_if 0 (local.get 0)) (drop) (i32.const 4)))
  (func (export "if") (param i32) (result i32 i64)
    (i32.const 1) (i64.const 2)
    (if (param i32 i64) (result i32 i64) (local.get 0)
      (then (drop) (i64.const 5))
      (else (drop) (drop) (i32.const 6) (i64.const 7))))
  (func (export "if-without-else") (param i32) (result i32 i32)
    (local.get 0) (i32.const 20) (if (param i32 i32) (result i32 i32) (local.get 0)
      (then (i32.mul) (i32.const 1))))
  ;; A loop that takes what it gives: Fibonacci's numbers, and which was the last.
  (func (export "fib") (param $n i32) (result i64 i64)
    (i64.const 0) (i64.const 1)
    (loop $again (param i64 i64) (result i64 i64)
      (call $next)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $next (param i64 i64) (result i64 i64)
    (local.get 1) (i64.add (local.get 0) (local.get 1)))
  ;; Two values change places on their way back to the loop's start.
  (func (export "turn") (param $n i32) (result i32 i32)
    (local $a i32) (local $b i32)
    (i32.const 1) (i32.const 2)
    (loop $again (param i32 i32) (result i32 i32)
      (local.set $b) (local.set $a) (local.get $b) (local.get $a)
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "table") (param i32) (result i32 i64)
    (block (result i32 i64)
      (block (result i32 i64)
        (block (result i32 i64)
          (i32.const 1) (i64.const 2) (br_table 0 1 2 3 (local.get 0)))
        (i64.const 10) (i64.add))
      (i64.const 20) (i64.add))
    (i64.const 40) (i64.add))
  (func (export "return") (param i32) (result i32 i32)
    (i32.const 9) (i32.const 8) (i32.const 7)
    (if (param i32 i32 i32) (result i32 i32 i32) (local.get 0) (then (return)) (else))
    (drop) (drop) (drop) (i32.const 1) (i32.const 2))
  ;; The values below stay: what is read before is not what is written after.
  (func $bump (result i32 i32)
    (global.set $g (i32.add (global.get $g) (i32.const 1))) (global.get $g) (global.get $g))
  (func (export "order") (result i32 i32 i32 i32)
    (global.get $g) (call $bump) (global.get $g))
  (func (export "out-of-two") (param i32) (result i32 i32)
    (block $far (result i32 i32)
      (block $near (result i32 i32)
        (i32.const 11) (i32.const 12) (i32.const 13)
        (br_if $far (local.get 0)) (drop) (br $near))
      (i32.add) (i32.const 5)))
  (func (export "never") (param i32) (result i32 i64)
    (if (result i32 i64) (local.get 0) (then (unreachable)) (else (i32.const 1) (i64.const 2)))))
;; call pair
;; call swap 0xffffffff 0x7fffffffffffffff
;; call all 1 2 0x3fc00000 0x4004000000000000
;; call divmod 17 5
;; call divmod 0xffffffff 16
;; call divmod 1 0
;; call sum-of-divmod 4294967295 10
;; each called
;; call swapped
;; each block
;; each if
;; each if-without-else
;; call fib 1
;; call fib 2
;; call fib 50
;; call fib 93
;; call turn 1
;; call turn 2
;; call turn 7
;; each table
;; each return
;; call order
;; call order
;; each out-of-two
;; each never
;; invalid
(module (func (result i32 i64) (i32.const 0)))
;; invalid
(module (func (result i32 i64) (i64.const 0) (i32.const 0)))
;; invalid
(module (func (block (param i32) (drop))))
;; invalid
(module (func (result i32) (i32.const 1) (block (param i32) (result i32 i32))))
;; invalid
(module (func (result i32) (i32.const 1) (if (param i32) (result i64) (i32.const 1) (then (drop) (i64.const 1))) (drop) (i32.const 1)))
;; invalid
(module (func (i32.const 1) (i64.const 1) (loop (param i32 i64) (drop) (br 0))))
;; invalid
(module (func (result i32 i32) (block (result i32 i32) (i32.const 1) (br 0))))
;; invalid
(module (func (param i32) (result i32 i32) (i32.const 1) (br_table 0 0 (local.get 0))))
;; invalid
(module (func $f (result i32 i32) (i32.const 1) (i32.const 2)) (func (result i32) (call $f)))
