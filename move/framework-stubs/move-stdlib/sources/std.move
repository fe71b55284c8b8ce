// Interface stand-ins for the part of the Move standard library that the packages of this repository use.
// Natives are the virtual machine's own; every other body is written for this repository and as short as can be.

#[defines_primitive(vector)]
module std::vector {
    #[bytecode_instruction]
    public native fun empty<Element>(): vector<Element>;
    #[bytecode_instruction]
    public native fun length<Element>(v: &vector<Element>): u64;
    #[syntax(index)]
    #[bytecode_instruction]
    public native fun borrow<Element>(v: &vector<Element>, i: u64): &Element;
    #[syntax(index)]
    #[bytecode_instruction]
    public native fun borrow_mut<Element>(v: &mut vector<Element>, i: u64): &mut Element;
    #[bytecode_instruction]
    public native fun push_back<Element>(v: &mut vector<Element>, e: Element);
    #[bytecode_instruction]
    public native fun pop_back<Element>(v: &mut vector<Element>): Element;
    #[bytecode_instruction]
    public native fun destroy_empty<Element>(v: vector<Element>);
    #[bytecode_instruction]
    public native fun swap<Element>(v: &mut vector<Element>, i: u64, j: u64);

    public fun is_empty<Element>(v: &vector<Element>): bool { v.length() == 0 }

    public fun append<Element>(v: &mut vector<Element>, mut tail: vector<Element>) {
        let start = v.length();
        while (!tail.is_empty()) v.push_back(tail.pop_back());
        tail.destroy_empty();
        // The tail went in backwards.
        let (mut low, mut high) = (start, v.length());
        while (low + 1 < high) {
            high = high - 1;
            v.swap(low, high);
            low = low + 1;
        }
    }

    public fun contains<Element>(v: &vector<Element>, e: &Element): bool {
        let mut i = 0;
        while (i < v.length()) {
            if (&v[i] == e) return true;
            i = i + 1;
        };
        false
    }
}

module std::option {
    /// Empty or one element: the layout that natives build.
    public struct Option<Element> has copy, drop, store { vec: vector<Element> }

    public fun none<Element>(): Option<Element> { Option { vec: vector[] } }

    public fun some<Element>(e: Element): Option<Element> { Option { vec: vector[e] } }

    public fun is_none<Element>(self: &Option<Element>): bool { self.vec.is_empty() }

    public fun is_some<Element>(self: &Option<Element>): bool { !self.vec.is_empty() }

    public fun borrow<Element>(self: &Option<Element>): &Element { &self.vec[0] }

    public fun destroy_some<Element>(self: Option<Element>): Element {
        let Option { mut vec } = self;
        let e = vec.pop_back();
        vec.destroy_empty();
        e
    }
}

module std::string {
    public struct String has copy, drop, store { bytes: vector<u8> }

    const EInvalidUtf8: u64 = 1;

    public fun utf8(bytes: vector<u8>): String {
        assert!(internal_check_utf8(&bytes), EInvalidUtf8);
        String { bytes }
    }

    public fun length(s: &String): u64 { s.bytes.length() }

    native fun internal_check_utf8(v: &vector<u8>): bool;
}

module std::bcs {
    public native fun to_bytes<MoveValue>(v: &MoveValue): vector<u8>;
}

#[test_only]
/// The test runner refuses to start without this module and its one native.
module std::unit_test {
    public native fun poison();
}

module std::ascii {
    public struct String has copy, drop, store { bytes: vector<u8> }
}

module std::type_name {
    /// Built by natives.
    public struct TypeName has copy, drop, store { name: std::ascii::String }

    public native fun with_defining_ids<T>(): TypeName;
}
