// SPDX-License-Identifier: GPL-2.0-or-later
// A RocksDB whose content can be predicted, for "make zenfs": each thread has keys and a row of
// operations of its own, so it is known what must be there after any number of them. How many are
// confirmed is kept in a file that is mapped, so it survives SIGKILL.
//
//     db write FILESYSTEM PROGRESS OPERATIONS    go on, up to so many operations of each thread,
//     and compact db verify FILESYSTEM PROGRESS              status 1: a key is missing, wrong or
//     too much
//
// FILESYSTEM is a URI such as zenfs://zonefs:/mnt/disk.
#include <fcntl.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace
{

constexpr unsigned kThreads = 4, kKeys = 3000, kMaxValue = 4000;

struct Progress {
	std::atomic<uint64_t> done[kThreads];
};

struct Op {
	unsigned key;
	bool remove;
	std::string value;
};

uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

// Every fourth operation is on one of a few keys, so that these are written over many times.
Op nth_op(unsigned thread, uint64_t n)
{
	uint64_t r = mix(n * kThreads + thread);
	unsigned keys = (r >> 32) % 4 == 0 ? kKeys / 30 : kKeys;
	Op op{ static_cast<unsigned>(r % keys), (r >> 40) % 6 == 0, {} };

	for (size_t len = 8 + (r >> 48) % kMaxValue; !op.remove && op.value.size() < len;) {
		r = mix(r);
		op.value.append(reinterpret_cast<const char *>(&r), sizeof(r));
	}
	return op;
}

std::string key_name(unsigned thread, unsigned key)
{
	return std::to_string(mix(key) % 1000000) + "-" + std::to_string(thread) + "-" +
	       std::to_string(key);
}

bool good(const char *what, const rocksdb::Status &status)
{
	if (!status.ok())
		fprintf(stderr, "db: %s: %s\n", what, status.ToString().c_str());
	return status.ok();
}

// Small tables and many of them: flushes and compactions run all the time.
rocksdb::Options small_tables(rocksdb::Env *env)
{
	rocksdb::Options options;

	options.env = env;
	options.create_if_missing = true;
	options.write_buffer_size = 1 << 20;
	options.target_file_size_base = 2 << 20;
	options.max_bytes_for_level_base = 8 << 20;
	options.max_background_jobs = 4;
	options.use_direct_io_for_flush_and_compaction = true;
	options.use_direct_reads = true;
	return options;
}

bool write_some(rocksdb::DB *db, unsigned thread, Progress *progress, uint64_t goal)
{
	rocksdb::WriteOptions sync;

	sync.sync = true;
	for (uint64_t n = progress->done[thread]; n < goal; n++) {
		Op op = nth_op(thread, n);
		std::string key = key_name(thread, op.key);

		if (!good("write",
			  op.remove ? db->Delete(sync, key) : db->Put(sync, key, op.value)))
			return false;
		progress->done[thread] = n + 1;
	}
	return true;
}

bool write_all(rocksdb::DB *db, Progress *progress, uint64_t goal)
{
	std::vector<std::thread> threads;
	std::atomic<bool> ok{ true };

	for (unsigned t = 0; t < kThreads; t++)
		threads.emplace_back([=, &ok] {
			if (!write_some(db, t, progress, goal))
				ok = false;
		});
	for (std::thread &thread : threads)
		thread.join();
	return ok && good("compaction",
			  db->CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr));
}

// What a key holds; nothing is the empty string, as no value is.
std::string get(rocksdb::DB *db, unsigned thread, unsigned key)
{
	std::string value;
	rocksdb::Status status = db->Get(rocksdb::ReadOptions(), key_name(thread, key), &value);

	if (!status.IsNotFound() && !good("read", status))
		exit(1);
	return status.ok() ? value : std::string();
}

// An operation that was under way when the program was killed may be done or not; from then on that
// is known.
unsigned verify_thread(rocksdb::DB *db, unsigned thread, Progress *progress, uint64_t *there)
{
	std::vector<std::string> want(kKeys);
	uint64_t done = progress->done[thread];
	Op next = nth_op(thread, done);
	unsigned wrong = 0;

	for (uint64_t n = 0; n < done; n++) {
		Op op = nth_op(thread, n);

		want[op.key] = op.value;
	}
	for (unsigned k = 0; k < kKeys; k++) {
		std::string got = get(db, thread, k);

		*there += !got.empty();
		if (got == want[k])
			continue;
		if (k == next.key && got == next.value) {
			progress->done[thread] = done + 1;
			continue;
		}
		wrong++;
		fprintf(stderr, "db: thread %u, key %u: wrong after %llu operations\n", thread, k,
			static_cast<unsigned long long>(done));
	}
	return wrong;
}

bool verify_all(rocksdb::DB *db, Progress *progress)
{
	std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
	uint64_t there = 0, found = 0, done = 0;
	unsigned wrong = 0;

	for (unsigned t = 0; t < kThreads; t++) {
		wrong += verify_thread(db, t, progress, &there);
		done += progress->done[t];
	}
	for (it->SeekToFirst(); it->Valid(); it->Next())
		found++;
	printf("%llu operations, %llu keys of %llu, %u wrong\n",
	       static_cast<unsigned long long>(done), static_cast<unsigned long long>(found),
	       static_cast<unsigned long long>(there), wrong);
	return good("iterator", it->status()) && good("checksums", db->VerifyChecksum()) &&
	       wrong == 0 && found == there;
}

Progress *map_progress(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	void *p = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(Progress)) == 0)
		p = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		perror(path);
	if (fd >= 0)
		close(fd);
	return p == MAP_FAILED ? nullptr : static_cast<Progress *>(p);
}

} // namespace

int main(int argc, char **argv)
{
	bool verify = argc == 4 && strcmp(argv[1], "verify") == 0;
	std::shared_ptr<rocksdb::Env> guard;
	rocksdb::Env *env = nullptr;
	rocksdb::DB *db = nullptr;

	if (!verify && (argc != 5 || strcmp(argv[1], "write") != 0)) {
		fprintf(stderr, "usage: db write|verify FILESYSTEM PROGRESS [OPERATIONS]\n");
		return 2;
	}
	Progress *progress = map_progress(argv[3]);
	if (!progress ||
	    !good("file system", rocksdb::Env::CreateFromUri(rocksdb::ConfigOptions(), "", argv[2],
							     &env, &guard)) ||
	    !good("open", rocksdb::DB::Open(small_tables(env), "db", &db)))
		return 1;
	bool ok = verify ? verify_all(db, progress)
			 : write_all(db, progress, strtoull(argv[4], nullptr, 10));
	ok = good("close", db->Close()) && ok;
	delete db;
	return ok ? 0 : 1;
}
