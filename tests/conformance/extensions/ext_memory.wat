;; memory.copy and memory.fill: overlap either way, nothing, the last byte, one too far.
(module
  (memory 1 1)
  (data (i32.const 0) "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10")
  (func $sum (export "sum") (result i64)
    (local $i i32) (local $h i64)
    (local.set $h (i64.const 0xcbf29ce484222325))
    (loop $more
      (local.set $h (i64.mul (i64.xor (local.get $h)
        (i64.load8_u (local.get $i))) (i64.const 0x100000001b3)))
      (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 80))))
    (local.get $h))
  (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  ;; The copy comes after the load that stands before it.
  (func (export "order") (result i32)
    (i32.load8_u (i32.const 0))
    (memory.fill (i32.const 0) (i32.const 0x55) (i32.const 1))
    (i32.load8_u (i32.const 0))
    (i32.sub)))
;; call copy 20 0 16
;; call sum
;; call copy 2 0 16
;; call sum
;; call copy 0 3 16
;; call sum
;; call fill 40 0x1ff 7
;; call sum
;; call fill 65535 0xab 1
;; call load 65535
;; call fill 65536 1 0
;; call fill 65537 1 0
;; call fill 65530 1 7
;; call load 65530
;; call fill 0xffffffff 1 1
;; call fill 0 1 0xffffffff
;; call copy 65536 0 0
;; call copy 0 65536 0
;; call copy 65537 0 0
;; call copy 0 65537 0
;; call copy 65530 0 7
;; call copy 0 65530 7
;; call copy 0xffffffff 0 1
;; call copy 0 0xffffffff 1
;; call copy 0 0 0xffffffff
;; call sum
;; call copy 100 0 5000
;; call copy 101 100 5000
;; call load 5099
;; call load 101
;; call copy 1000 1001 64535
;; call load 65534
;; call copy 1001 1000 64535
;; call load 65535
;; call fill 0x100 0x33 0x8000
;; call load 0x80ff
;; call load 0x8100
;; call order
;; call sum
;; invalid
(module (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))
;; invalid
(module (memory 1) (func (memory.copy (i32.const 0) (i64.const 0) (i32.const 0))))
;; invalid
(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0))))
;; invalid
(module (memory 1) (func (result i32) (memory.copy (i32.const 0) (i32.const 0) (i32.const 0))))
