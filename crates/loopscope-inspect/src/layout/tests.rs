//! The tables against the objects of every interpreter, which say themselves what their fields hold.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::error::ReadResult;
use crate::locate::{self, Interpreter};
use crate::memory::ProcessMemory;
use crate::object_model::ObjectReader;
use crate::pythons::{self, Python};

/// The low bits that the interpreter may use for itself.
const TAG_BITS: u64 = 7;

/// `objects.py`, ready and standing still.
struct Target {
    child: Child,
    interpreter: Interpreter,
    /// Field, object, and what the field must hold.
    facts: Vec<(String, u64, u64)>,
}

impl Target {
    fn start(python: &Python) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/objects.py");
        let mut child = Command::new(&python.path)
            .args(["-W", "ignore", program])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        let facts = lines
            .map(Result::unwrap)
            .take_while(|line| line != "ready")
            .map(|line| parse_fact(&line))
            .collect();
        let interpreter = locate::locate(child.id(), &ProcessMemory::new(child.id())).unwrap();
        Self {
            child,
            interpreter,
            facts,
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse_fact(line: &str) -> (String, u64, u64) {
    let words: Vec<&str> = line.split(' ').collect();
    let [field, object, word] = words.as_slice() else {
        panic!("{line}")
    };
    let number = |word: &str| word.parse::<i64>().unwrap().cast_unsigned();
    ((*field).to_owned(), number(object), number(word))
}

#[test]
fn every_field_holds_what_the_object_says_it_holds() {
    for python in pythons::all() {
        let target = Target::start(python);
        let memory = ProcessMemory::new(target.child.id());
        let mut reader = ObjectReader::new(memory, target.interpreter.layout);
        assert!(target.facts.len() > 30, "{:?}", target.facts);
        for (field, object, word) in &target.facts {
            let expected = expected(field, *word);
            let found = actual(&mut reader, field, *object, *word);
            assert_eq!(
                found.as_deref(),
                Ok(expected.as_str()),
                "{field} on {}",
                target.interpreter.version
            );
        }
    }
}

/// What a fact claims, in words where it is about what a generator is doing.
fn expected(field: &str, word: u64) -> String {
    match field {
        "state_created" | "state_running" | "state_ended" | "state_yielding" => field.to_owned(),
        "state_awaiting" => format!("state_awaiting {word}"),
        "set_entry" => "there".to_owned(),
        _ => word.to_string(),
    }
}

fn actual(
    reader: &mut ObjectReader<ProcessMemory>,
    field: &str,
    object: u64,
    word: u64,
) -> ReadResult<String> {
    let layout = reader.layout;
    let direct = match field {
        "list_item" => {
            let items = reader.pointer(object, layout.containers.list_items)?;
            return Ok(reader.pointer(items, 0)?.to_string());
        }
        "set_entry" => return set_entry(reader, object, word),
        "member_offset" => {
            let member = reader.pointer(object, layout.type_object.members)?;
            let name = reader.pointer(member, fixed::MEMBER_NAME)?;
            assert_eq!(reader.pages.bytes(name, 6)?, b"_when\0");
            return Ok(reader.pointer(member, fixed::MEMBER_OFFSET)?.to_string());
        }
        "local_wait" | "local_wait_with_inner" => {
            return Ok(local_self(reader, object)?.to_string());
        }
        state if state.starts_with("state_") => return generator_state(reader, object),
        _ => offset(&layout, field),
    };
    Ok(reader.pointer(object, direct)?.to_string())
}

fn offset(layout: &Layout, field: &str) -> u64 {
    match field {
        "tuple_items" => layout.containers.tuple_items,
        "set_used" => layout.containers.set_used,
        "set_fill" => layout.containers.set_fill,
        "set_mask" => layout.containers.set_mask,
        "cell" => fixed::CELL_VALUE,
        "weak_reference" => fixed::WEAK_REFERENCE_OBJECT,
        "float" => fixed::FLOAT_VALUE,
        "module_dict" => fixed::MODULE_DICT,
        "exception_arguments" => fixed::EXCEPTION_ARGUMENTS,
        "function_code" => layout.function.code,
        "function_closure" => layout.function.closure,
        "function_qualified_name" => layout.function.qualified_name,
        "method_function" => fixed::METHOD_FUNCTION,
        "method_self" => fixed::METHOD_SELF,
        "builtin_self" => fixed::BUILTIN_SELF,
        "partial_function" => fixed::PARTIAL_FUNCTION,
        "partial_arguments" => fixed::PARTIAL_ARGUMENTS,
        "type_mro" => layout.type_object.mro,
        "type_base" => layout.type_object.base,
        "type_basic_size" => layout.type_object.basic_size,
        "type_dict_offset" => layout.type_object.dict_offset,
        "type_weak_list_offset" => layout.type_object.weak_list_offset,
        "generator_name" => layout.generator.name,
        "generator_qualified_name" => layout.generator.qualified_name,
        "async_generator_step" => fixed::ASYNC_GENERATOR_STEP_GENERATOR,
        "coroutine_wrapper" => fixed::COROUTINE_WRAPPER_COROUTINE,
        "anext_awaitable" => fixed::ANEXT_AWAITABLE_WRAPPED,
        "future_iterator" => fixed::FUTURE_ITERATOR_FUTURE,
        "task_waiter" => layout.task.fut_waiter,
        unknown => panic!("{unknown}"),
    }
}

fn set_entry(reader: &mut ObjectReader<ProcessMemory>, set: u64, item: u64) -> ReadResult<String> {
    let containers = reader.layout.containers;
    let table = reader.pointer(set, containers.set_table)?;
    for index in 0..=reader.pointer(set, containers.set_mask)? {
        if reader.pointer(table, index * fixed::SET_ENTRY_BYTES)? == item {
            return Ok("there".to_owned());
        }
    }
    Ok("not there".to_owned())
}

fn frame_of(reader: &mut ObjectReader<ProcessMemory>, generator: u64) -> ReadResult<u64> {
    match reader.layout.generator.frame {
        CoroutineFrame::Pointer { offset } => reader.pointer(generator, offset),
        CoroutineFrame::Embedded { offset } => Ok(generator + offset),
    }
}

/// The variable `self` of a suspended method.
fn local_self(reader: &mut ObjectReader<ProcessMemory>, coroutine: u64) -> ReadResult<u64> {
    let frame = frame_of(reader, coroutine)?;
    let code = reader.pointer(frame, reader.layout.frame.code)? & !TAG_BITS;
    let locals = frame + reader.layout.frame.locals;
    let value = match reader.layout.code.variables {
        VariableNames::Joined { names } => {
            let index = index_of_self(reader, code, names)?.unwrap();
            reader.pointer(locals, 8 * index)? & !TAG_BITS
        }
        VariableNames::Separate {
            locals: names,
            cells,
            ..
        } => {
            let index = index_of_self(reader, code, names)?.unwrap();
            match reader.pointer(locals, 8 * index)? {
                0 => {
                    let names = reader.pointer(code, names)?;
                    let count = reader.variable_size(names, 100)? as u64;
                    let index = index_of_self(reader, code, cells)?.unwrap();
                    reader.pointer(locals, 8 * (count + index))?
                }
                value => value,
            }
        }
    };
    match &*reader.type_of(value)?.name {
        "cell" => reader.pointer(value, fixed::CELL_VALUE),
        _ => Ok(value),
    }
}

fn index_of_self(
    reader: &mut ObjectReader<ProcessMemory>,
    code: u64,
    names: u64,
) -> ReadResult<Option<u64>> {
    let names = reader.pointer(code, names)?;
    let count = reader.variable_size(names, 100)? as u64;
    let items = reader.layout.containers.tuple_items;
    for index in 0..count {
        let name = reader.pointer(names, items + 8 * index)?;
        if reader.is_string(name, "self")? {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

fn generator_state(reader: &mut ObjectReader<ProcessMemory>, generator: u64) -> ReadResult<String> {
    let frame = frame_of(reader, generator)?;
    Ok(match phase(reader, generator, frame)? {
        GeneratorPhase::Created => "state_created".to_owned(),
        GeneratorPhase::Running => "state_running".to_owned(),
        GeneratorPhase::Ended => "state_ended".to_owned(),
        GeneratorPhase::Suspended { is_awaiting } => {
            let is_awaiting = match is_awaiting {
                Some(is_awaiting) => is_awaiting,
                None => awaits(reader, frame)?,
            };
            match is_awaiting {
                true => format!("state_awaiting {}", stack_top(reader, frame)?),
                false => "state_yielding".to_owned(),
            }
        }
    })
}

fn phase(
    reader: &mut ObjectReader<ProcessMemory>,
    generator: u64,
    frame: u64,
) -> ReadResult<GeneratorPhase> {
    if frame == 0 {
        return Ok(GeneratorPhase::Ended);
    }
    let Instruction::ByteIndex { offset: index } = reader.layout.frame.instruction else {
        let (at, offset, codes) = match reader.layout.generator.state {
            GeneratorState::InFrame { offset, codes } => (frame, offset, codes),
            GeneratorState::InGenerator { offset, codes } => (generator, offset, codes),
            GeneratorState::RunningFlag { .. } => panic!("3.9 only"),
        };
        let value = reader.byte(at, offset)?.cast_signed();
        return Ok(codes.phase(value).unwrap());
    };
    let GeneratorState::RunningFlag { offset } = reader.layout.generator.state else {
        panic!("3.9")
    };
    Ok(if reader.byte(generator, offset)? != 0 {
        GeneratorPhase::Running
    } else if reader.word(frame, index)?.cast_signed() < 0 {
        GeneratorPhase::Created
    } else {
        GeneratorPhase::Suspended { is_awaiting: None }
    })
}

fn awaits(reader: &mut ObjectReader<ProcessMemory>, frame: u64) -> ReadResult<bool> {
    Ok(
        match (
            reader.layout.generator.awaiting,
            reader.layout.frame.instruction,
        ) {
            (
                AwaitingTest::NextOperation {
                    instructions,
                    operation,
                },
                Instruction::ByteIndex { offset } | Instruction::UnitIndex { offset },
            ) => {
                let code = reader.pointer(frame, reader.layout.frame.code)?;
                let bytes = reader.pointer(code, instructions)?;
                let index = u64::from(reader.word(frame, offset)?);
                let next = match reader.layout.frame.instruction {
                    Instruction::ByteIndex { .. } => index + 2,
                    _ => 2 * (index + 1),
                };
                reader.byte(bytes, fixed::BYTES_DATA + next)? == operation
            }
            (
                AwaitingTest::ResumeArgument {
                    distance,
                    mask,
                    least,
                },
                Instruction::Pointer { offset },
            ) => {
                let instruction = reader.pointer(frame, offset)?;
                reader.byte(instruction, distance)? & mask >= least
            }
            other => panic!("{other:?}"),
        },
    )
}

fn stack_top(reader: &mut ObjectReader<ProcessMemory>, frame: u64) -> ReadResult<u64> {
    let locals = reader.layout.frame.locals;
    let place = match reader.layout.generator.stack_top {
        StackTop::Pointer {
            offset,
            may_have_index,
        } => {
            let top = reader.pointer(frame, offset)? - 8;
            let word = reader.pointer(top, 0)?;
            let is_index = may_have_index && (word & 3 == 3 || word < 8);
            if is_index { top - 8 } else { top }
        }
        StackTop::Depth { stack, depth } => {
            let depth = u64::from(reader.word(frame, depth)?);
            reader.pointer(frame, stack)? + 8 * (depth - 1)
        }
        StackTop::CountFromLocals { count } => {
            frame + locals + 8 * u64::from(reader.word(frame, count)? - 1)
        }
    };
    Ok(reader.pointer(place, 0)? & !TAG_BITS)
}
